//! The endpoints: each shows a part of the world in GitHub's words, or changes it.

pub(crate) mod comments;
pub(crate) mod contents;
pub(crate) mod environments;
pub(crate) mod graphql;
pub(crate) mod pulls;
pub(crate) mod repository;
pub(crate) mod runs;
pub(crate) mod workflows;
