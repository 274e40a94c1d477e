//! The driver of `tests/operations/swarm.rs`, on bytes that libFuzzer makes.
#![no_main]

#[path = "../../tests/operations/swarm.rs"]
mod operations;

libfuzzer_sys::fuzz_target!(|input: ([u8; 4], Vec<[u8; 4]>)| {
    let (setup, operations) = input;
    operations::run(setup, operations.into_iter().map(operations::Operation::from));
});
