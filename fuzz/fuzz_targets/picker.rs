//! The driver of `tests/operations/picker.rs`, on bytes that libFuzzer makes.
#![no_main]

#[path = "../../tests/operations/picker.rs"]
mod operations;

libfuzzer_sys::fuzz_target!(|input: (u8, Vec<[u8; 4]>)| {
    let (setup, operations) = input;
    operations::run(setup, operations.into_iter().map(operations::Operation::from));
});
