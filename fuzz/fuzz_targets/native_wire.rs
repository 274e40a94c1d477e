//! The driver of `tests/operations/wire.rs`, on a native stream that libFuzzer makes.
#![no_main]

use swarmlet::protocol::Dialect;

#[allow(dead_code)] // it begins with what scripts/fuzz.sh wrote
#[path = "../../tests/operations/wire.rs"]
mod operations;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| operations::run(Dialect::Native, bytes));
