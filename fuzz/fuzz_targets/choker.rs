//! The driver of `tests/operations/choker.rs`, on bytes that libFuzzer makes.
#![no_main]

#[path = "../../tests/operations/choker.rs"]
mod operations;

libfuzzer_sys::fuzz_target!(|input: ([u8; 3], Vec<[u8; 4]>)| {
    let (setup, operations) = input;
    operations::run(setup, operations.into_iter().map(operations::Operation::from));
});
