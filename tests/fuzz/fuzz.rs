//! The fuzzer's entry: throws bytes at the target that has this program's name.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::run(env!("CARGO_BIN_NAME"), bytes));
