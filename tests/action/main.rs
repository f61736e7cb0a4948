//! The real binary against a simulated GitHub that remembers: whole stories, told from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod bad_input;
mod contract;
mod crashes;
mod events;
mod examples;
mod faults;
mod leaving;
mod once;
mod preflight;
mod preview;
mod resuming;
mod rules;
mod samples;
mod schema;
mod stage;
mod stories;
mod sweeping;
mod worlds;
