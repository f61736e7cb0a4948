//! What people see: comment and job summary of twelve telling situations, of hostile names, and of any size.

mod given;
mod hostile;
mod situations;
mod size;
