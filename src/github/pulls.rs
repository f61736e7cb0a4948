//! Pull requests.
//!
//! <https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request>

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Github, Trouble};

/// A pull request as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Whether it is open.
    pub open: bool,
    /// When it was merged, if it was.
    pub merged_at: Option<DateTime<Utc>>,
    /// The commit the merge made; while it is open, a test merge (see [`Pull::test_merge`]).
    pub merge_commit: Option<String>,
    /// Whether it could be merged without conflicts, where GitHub knows already.
    pub mergeable: Option<bool>,
    /// The last commit of its branch.
    pub head_sha: String,
    /// The branch it goes into.
    pub base_ref: String,
    /// The repository's default branch.
    pub default_branch: Option<String>,
    /// Who wrote it.
    pub author: String,
    /// Who merged it.
    pub merged_by: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// How many files it changes, where the answer tells.
    pub changed_files: Option<u64>,
}

/// A file that a pull request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path; of a removed one, the path it had.
    pub path: String,
    /// It is no longer there.
    pub removed: bool,
    /// The path it had before it was moved.
    pub previous: Option<String>,
}

#[derive(Deserialize)]
struct WireFile {
    filename: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    previous_filename: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    number: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    merged: Option<bool>,
    #[serde(default)]
    merged_at: Option<DateTime<Utc>>,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    #[serde(default)]
    mergeable: Option<bool>,
    head: Head,
    base: Base,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    merged_by: Option<User>,
    #[serde(default)]
    labels: Option<Vec<Label>>,
    #[serde(default)]
    changed_files: Option<u64>,
}

#[derive(Deserialize)]
struct Head {
    sha: String,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    name: String,
    #[serde(default)]
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    login: String,
}

#[derive(Deserialize)]
struct Label {
    #[serde(default)]
    name: Option<String>,
}

impl From<Wire> for Pull {
    fn from(wire: Wire) -> Self {
        let login = |user: Option<User>| user.map(|user| user.login).unwrap_or_default();
        Self {
            number: wire.number,
            open: wire.state == "open",
            merged_at: wire.merged_at.filter(|_| wire.merged != Some(false)),
            merge_commit: wire.merge_commit_sha,
            mergeable: wire.mergeable,
            head_sha: wire.head.sha,
            base_ref: wire.base.name,
            default_branch: wire.base.repo.and_then(|repo| repo.default_branch),
            author: login(wire.user),
            merged_by: login(wire.merged_by),
            labels: wire.labels.into_iter().flatten().filter_map(|label| label.name).collect(),
            changed_files: wire.changed_files,
        }
    }
}

impl Pull {
    /// The commit GitHub makes while a pull request is open, to test its merge. Where there are conflicts it is
    /// missing, or an old one.
    /// <https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request>
    pub fn test_merge(&self) -> Option<&str> {
        self.merge_commit.as_deref().filter(|_| self.open && self.mergeable != Some(false))
    }
}

impl Github {
    /// One pull request.
    pub async fn pull(&self, number: u64) -> Result<Pull, Trouble> {
        let wire: Wire = self.get(&format!("{}/pulls/{number}", self.repo)).await?;
        Ok(wire.into())
    }

    /// An open pull request once GitHub has tested its merge. That takes a moment, in which GitHub knows neither the
    /// test merge nor whether there can be one; it is waited for, but not for ever.
    /// <https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request>
    pub async fn tested(&self, mut pull: Pull) -> Result<Pull, Trouble> {
        /// With growing pauses, some ten seconds.
        const TRIES: u32 = 4;
        for tries in 0..TRIES {
            if pull.mergeable.is_some() {
                break;
            }
            self.back_off(tries).await?;
            let now = self.pull(pull.number).await?;
            if !now.open {
                break;
            }
            pull = now;
        }
        Ok(pull)
    }

    /// The files a pull request changes. GitHub lists 3,000 at most.
    /// <https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>
    pub async fn changed_files(&self, number: u64) -> Result<Vec<ChangedFile>, Trouble> {
        let wires: Vec<WireFile> = self.all(&format!("{}/pulls/{number}/files", self.repo), 30).await?;
        let changed = |wire: WireFile| ChangedFile {
            removed: wire.status == "removed",
            // A copy leaves its origin where it was.
            previous: wire.previous_filename.filter(|_| wire.status == "renamed"),
            path: wire.filename,
        };
        Ok(wires.into_iter().map(changed).collect())
    }

    /// The pull requests a commit belongs to.
    /// <https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit>
    pub async fn pulls_of(&self, commit: &str) -> Result<Vec<Pull>, Trouble> {
        let wires: Vec<Wire> = self.all(&format!("{}/commits/{commit}/pulls", self.repo), 3).await?;
        Ok(wires.into_iter().map(Pull::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_pull_request_only_what_is_used_is_asked_for() {
        let least = json!({"number": 42, "head": {"sha": "c0ffee"}, "base": {"ref": "main"}, "user": {},
            "labels": [{"id": 1}, {"name": "no-apply"}], "merged_by": null});
        let pull = Pull::from(serde_json::from_value::<Wire>(least).expect("a pull request"));
        assert_eq!((pull.number, &*pull.base_ref, &*pull.head_sha), (42, "main", "c0ffee"));
        assert_eq!(pull.labels, ["no-apply"]);
        let bare = json!({"number": 42, "head": {"sha": "c0ffee"}, "base": {"ref": "main"}, "labels": null});
        assert!(serde_json::from_value::<Wire>(bare).is_ok());
    }
}
