//! The real binary against a simulated GitHub that remembers: whole stories, told from outside.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may panic, and print what it measured"
)]

mod bad_input;
mod broken;
mod chance;
mod chaos;
mod contract;
mod corpus;
mod crashes;
mod events;
mod examples;
mod faults;
mod late;
mod leaving;
mod memory;
mod mistakes;
mod model;
mod network;
mod once;
mod preflight;
mod preview;
mod reliability;
mod resuming;
mod rules;
mod samples;
mod schema;
mod servers;
mod stage;
mod stories;
mod sweeping;
#[path = "../fuzz/targets/mod.rs"]
mod targets;
mod worlds;
