//! Pull requests, as the world keeps them.

use crate::clock::Millis;
use crate::people::User;
use crate::wire::digest;
use crate::world::Files;

/// A pull request of this repository.
#[derive(Debug, Clone)]
pub struct PullRequest {
    pub number: u64,
    pub title: String,
    pub author: User,
    pub head_ref: String,
    pub head_sha: String,
    pub base_ref: String,
    pub base_sha: String,
    /// It comes from a fork.
    pub from_fork: bool,
    pub closed: Option<Millis>,
    pub merged: Option<Merge>,
    pub labels: Vec<String>,
    pub files: Vec<ChangedFile>,
    /// Files that its merge puts onto the base branch, see [`World::propose`](crate::World::propose).
    pub proposed: Files,
    /// It cannot be merged as it is, so GitHub makes no test merge.
    pub conflicts: bool,
    pub created: Millis,
    /// From when on `commits/{sha}/pulls` knows about it; GitHub is late at times.
    pub linked_from: Millis,
    /// Further commits it is part of, such as a merge queue's.
    pub also_in: Vec<String>,
}

impl PullRequest {
    /// The commit GitHub makes to test the merge while it is open.
    pub fn test_merge(&self) -> Option<String> {
        let possible = self.closed.is_none() && !self.conflicts;
        possible.then(|| digest(&format!("test merge of {}", self.number)))
    }
}

/// How it was merged.
#[derive(Debug, Clone)]
pub struct Merge {
    pub sha: String,
    pub by: User,
    pub at: Millis,
}

/// A file that a pull request changes.
#[derive(Debug, Clone, Default)]
pub struct ChangedFile {
    pub path: String,
    /// `added`, `removed`, `modified`, `renamed`…
    pub status: String,
    pub previous: Option<String>,
}

impl ChangedFile {
    pub fn modified(path: &str) -> ChangedFile {
        ChangedFile { path: path.to_owned(), status: "modified".to_owned(), previous: None }
    }

    pub fn removed(path: &str) -> ChangedFile {
        ChangedFile { path: path.to_owned(), status: "removed".to_owned(), previous: None }
    }

    pub fn renamed(from: &str, to: &str) -> ChangedFile {
        ChangedFile { path: to.to_owned(), status: "renamed".to_owned(), previous: Some(from.to_owned()) }
    }
}
