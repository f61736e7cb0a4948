//! What people see: comment and job summary of twelve telling situations, of hostile names, and of any size.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may panic")]

mod given;
mod hostile;
mod situations;
mod size;
