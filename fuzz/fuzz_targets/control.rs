//! The driver of `tests/operations/control.rs`, on bytes that libFuzzer makes.
#![no_main]

#[allow(dead_code)] // it begins with what scripts/fuzz.sh wrote
#[path = "../../tests/operations/control.rs"]
mod operations;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| operations::run(bytes));
