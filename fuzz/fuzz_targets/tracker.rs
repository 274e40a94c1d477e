//! The driver of `tests/operations/tracker.rs`, on bytes that libFuzzer makes.
#![no_main]

#[path = "../../tests/operations/tracker.rs"]
mod operations;

libfuzzer_sys::fuzz_target!(|strangers: Vec<operations::Operation>| {
    operations::run(strangers.into_iter());
});
