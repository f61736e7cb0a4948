//! Setting the stage: what a repository has before the story begins, and what is merged into it.

use serde_json::{Value, json};

use crate::environment::Environment;
use crate::pulls::{ChangedFile, Merge, PullRequest};
use crate::wire::digest;
use crate::world::{Branch, Files, Workflow, World};

impl World {
    /// Makes a branch with the files of the default branch; returns its commit.
    pub fn branch(&mut self, name: &str) -> String {
        let from = self.branches.get(&self.repository.default_branch);
        let files = from.map(|b| b.files.clone()).unwrap_or_default();
        let sha = digest(&format!("{}@{name}", self.full_name()));
        self.branches.insert(name.to_owned(), Branch { sha: sha.clone(), files });
        sha
    }

    /// Puts a file on the default branch (on another: `branches`).
    pub fn file(&mut self, path: &str, text: &str) {
        let branch = self.branches.entry(self.repository.default_branch.clone()).or_default();
        branch.files.insert(path.to_owned(), text.to_owned());
    }

    /// Puts a workflow on the default branch: `apply.yml` and its YAML. Returns its id.
    pub fn workflow(&mut self, file: &str, yaml: &str) -> u64 {
        let path = format!(".github/workflows/{file}");
        self.file(&path, yaml);
        if let Some(known) = self.workflows.iter().find(|w| w.path == path) {
            return known.id;
        }
        let (id, created) = (self.next_id(), self.now());
        self.workflows.push(Workflow { id, path, state: "active".to_owned(), created });
        id
    }

    /// Makes, or replaces, an environment.
    pub fn environment(&mut self, environment: Environment) {
        self.environments.retain(|e| e.name != environment.name);
        let (id, created) = (self.next_id(), self.now());
        self.environments.push(Environment { id, created, ..environment });
    }

    /// Opens a pull request into the default branch.
    pub fn open_pull_request(&mut self, number: u64, title: &str, author: &str) -> &mut PullRequest {
        let base_ref = self.repository.default_branch.clone();
        let base_sha = self.branches[&base_ref].sha.clone();
        let now = self.now();
        let head_sha = digest(&format!("head of {number}"));
        self.commits.insert(head_sha.clone(), None);
        let pull = PullRequest {
            number,
            title: title.to_owned(),
            author: self.user(author),
            head_ref: format!("change-{number}"),
            head_sha,
            base_ref,
            base_sha,
            from_fork: false,
            closed: None,
            merged: None,
            labels: Vec::new(),
            files: vec![ChangedFile::modified("README.md")],
            proposed: Files::new(),
            conflicts: false,
            created: now,
            linked_from: now,
            also_in: Vec::new(),
        };
        self.commits.extend(pull.test_merge().map(|sha| (sha, None)));
        self.pulls.insert(number, pull);
        self.pulls.get_mut(&number).expect("just put there")
    }

    /// An open pull request adds or changes a file, which its head and its test merge have from now on.
    pub fn propose(&mut self, number: u64, path: &str, text: &str) {
        let pull = self.pulls.get_mut(&number).expect("an open pull request");
        pull.proposed.insert(path.to_owned(), text.to_owned());
        pull.files.push(ChangedFile::modified(path));
        let mut files = self.branches[&pull.base_ref].files.clone();
        files.extend(pull.proposed.clone());
        for commit in pull.test_merge().into_iter().chain([pull.head_sha.clone()]) {
            self.commits.insert(commit, Some(files.clone()));
        }
    }

    /// Merges a pull request; returns the merge commit, which is its base branch's head now.
    pub fn merge(&mut self, number: u64, by: &str) -> String {
        let sha = digest(&format!("merge of {number}"));
        let (by, at) = (self.user(by), self.now());
        let pull = self.pulls.get_mut(&number).expect("an open pull request");
        pull.merged = Some(Merge { sha: sha.clone(), by, at });
        pull.closed = Some(at);
        let branch = self.branches.entry(pull.base_ref.clone()).or_default();
        self.commits.insert(std::mem::replace(&mut branch.sha, sha.clone()), Some(branch.files.clone()));
        let proposed = pull.proposed.clone();
        branch.files.extend(proposed.clone());
        self.commits.insert(sha.clone(), Some(branch.files.clone()));
        if pull.base_ref == self.repository.default_branch {
            for (path, text) in &proposed {
                if let Some(file) = path.strip_prefix(".github/workflows/") {
                    self.workflow(file, text);
                }
            }
        }
        sha
    }

    /// Somebody pushes one file to a branch; returns the new commit. What earlier commits hold stays.
    pub fn push(&mut self, branch: &str, path: &str, text: &str) -> String {
        let branch = self.branches.entry(branch.to_owned()).or_default();
        let sha = digest(&format!("{} {path} {text}", branch.sha));
        let before = std::mem::replace(&mut branch.sha, sha.clone());
        self.commits.insert(before, Some(branch.files.clone()));
        branch.files.insert(path.to_owned(), text.to_owned());
        sha
    }

    /// The `pull_request` event of type `closed`, as a workflow finds it in `GITHUB_EVENT_PATH`.
    pub fn pull_request_closed(&self, number: u64) -> Value {
        let pull = &self.pulls[&number];
        let by = pull.merged.as_ref().map_or(&pull.author, |merge| &merge.by);
        json!({
            "action": "closed", "number": number, "pull_request": self.pull_json(pull),
            "repository": self.repository_json(), "sender": self.user_json(by),
        })
    }

    /// The `push` event of a merged pull request's merge commit.
    pub fn push_of_merge(&self, number: u64) -> Value {
        let pull = &self.pulls[&number];
        let merge = pull.merged.as_ref().expect("a merged pull request");
        json!({
            "ref": format!("refs/heads/{}", pull.base_ref), "before": pull.base_sha, "after": merge.sha,
            "created": false, "deleted": false, "forced": false, "base_ref": null,
            "head_commit": {"id": merge.sha, "message": self.message(&merge.sha)},
            "commits": [{"id": merge.sha, "message": self.message(&merge.sha)}],
            "pusher": {"name": merge.by.login}, "repository": self.repository_json(),
            "sender": self.user_json(&merge.by),
        })
    }
}
