//! From a push to the merged pull requests it brought.
//!
//! GitHub links a commit to every pull request it was ever part of, and does so a little late: a pull request
//! counts only if the commit its merge made came with the push, and GitHub is asked again while there is time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::try_join_all;

use crate::{
    begin::Job,
    event::Push,
    github::{Github, Patience, Pull, Trouble},
    report::log,
};

/// Commits of a push that are looked at beside the last one: each costs a request.
const MOST_COMMITS: usize = 50;

/// The merged pull requests a push brought to a branch, the last one last. The push may precede its link to
/// the pull request, so that GitHub is asked again.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn merged(job: &Job<'_>, github: &Github, push: &Push) -> Result<Vec<Pull>, Trouble> {
    let mut turns = Turns::new(job);
    let mut search = Search { github, push, found: BTreeMap::new(), elsewhere: BTreeSet::new() };
    loop {
        search.ask(std::iter::once(&push.commit)).await?;
        if !search.found.is_empty() || !turns.again().await? {
            break;
        }
    }
    // The last commit may be somebody's own, pushed together with a merge.
    warn_of_more(push);
    search.ask(push.before.iter().take(MOST_COMMITS)).await?;
    search.tell_elsewhere();
    search.as_they_are(&mut turns).await
}

/// How often GitHub is asked again.
struct Turns<'a> {
    patience: &'a Patience,
    pause: Duration,
    left: Duration,
}

impl<'a> Turns<'a> {
    fn new(job: &'a Job<'_>) -> Self {
        Self { patience: &job.patience, pause: job.tempo.push_link / 12, left: job.tempo.push_link }
    }

    /// Waits for the next turn; `false`: there is none.
    async fn again(&mut self) -> Result<bool, Trouble> {
        if self.left.is_zero() {
            return Ok(false);
        }
        self.left = self.left.saturating_sub(self.pause);
        self.patience.pause(self.pause, None).await?;
        Ok(true)
    }
}

/// Says that not every commit is looked at, if so.
fn warn_of_more(push: &Push) {
    if push.before.len() > MOST_COMMITS {
        tracing::warn!(
            "the push brings {} commits, and the pull requests of the last {} are looked for: one that was merged \
             by an older commit needs a run of this workflow by `workflow_dispatch` with `pull-request`",
            push.before.len() + 1,
            MOST_COMMITS + 1
        );
    }
}

/// What GitHub has told of a push so far.
struct Search<'a> {
    github: &'a Github,
    push: &'a Push,
    /// The pull requests it merged.
    found: BTreeMap<u64, Pull>,
    /// Others that have commits in it.
    elsewhere: BTreeSet<u64>,
}

impl<'a> Search<'a> {
    /// Asks for the pull requests of these commits.
    async fn ask(&mut self, commits: impl Iterator<Item = &'a String>) -> Result<(), Trouble> {
        let links = try_join_all(commits.map(|commit| links(self.github, commit))).await?;
        for pull in links.into_iter().flatten() {
            if pull.merged_at.is_none() || pull.base_ref != self.push.branch {
                continue;
            }
            if brought(self.push, &pull) {
                self.found.insert(pull.number, pull);
            } else {
                self.elsewhere.insert(pull.number);
            }
        }
        Ok(())
    }

    /// Says which pull requests are left to the push that merged them.
    fn tell_elsewhere(&self) {
        if !self.elsewhere.is_empty() {
            let names: Vec<String> = self.elsewhere.iter().map(|number| format!("#{number}")).collect();
            log::notice(&format!(
                "the push brings commits of {}, merged by a commit that is not among them: not deployed here",
                names.join(", ")
            ));
        }
    }

    /// What was found as it is now, the last one last: what the list of a commit says of labels may be old.
    async fn as_they_are(&self, turns: &mut Turns<'_>) -> Result<Vec<Pull>, Trouble> {
        let mut found: Vec<&Pull> = self.found.values().collect();
        found.sort_by_key(|pull| (place(self.push, pull), pull.merged_at, pull.number));
        loop {
            let pulls = try_join_all(found.iter().map(|pull| self.github.pull(pull.number))).await?;
            // An answer that is older than the merge must not make a preview of it.
            if pulls.iter().all(|pull| pull.merged_at.is_some()) || !turns.again().await? {
                return Ok(pulls);
            }
        }
    }
}

/// Whether a push brought the commit that merged this pull request. Whatever way it was merged, that is the last
/// commit the merge added. One that is merged keeps the commits of its branch, which come again with the branch
/// of another that was built on it.
/// <https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request>
fn brought(push: &Push, pull: &Pull) -> bool {
    // Where a commit is not told, or not every one of the push, there is only the link.
    pull.merge_commit.is_none() || !push.whole || place(push, pull).is_some()
}

/// How late in the push the commit that merged this pull request comes.
fn place(push: &Push, pull: &Pull) -> Option<usize> {
    let merge = pull.merge_commit.as_deref()?;
    push.before.iter().rev().chain([&push.commit]).position(|commit| commit == merge)
}

/// The pull requests a commit is linked to.
async fn links(github: &Github, commit: &str) -> Result<Vec<Pull>, Trouble> {
    match github.pulls_of(commit).await {
        // A commit GitHub does not know yet.
        Err(Trouble::NotFound { .. } | Trouble::Refused { status: 422, .. }) => Ok(Vec::new()),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(whole: bool) -> Push {
        let [older, newer, commit] = ["a", "b", "c"].map(|letter| letter.repeat(40));
        Push { commit, branch: "main".to_owned(), before: vec![newer, older], whole }
    }

    fn pull(merge_commit: Option<&str>) -> Pull {
        Pull { merge_commit: merge_commit.map(|letter| letter.repeat(40)), ..Pull::default() }
    }

    #[test]
    fn a_push_brought_what_one_of_its_commits_merged() {
        // The last commit: a merge commit, a squashed one, the last one of a rebase.
        // One before: an earlier one of a merge queue, or somebody's commit on top.
        for (merge, at) in [("a", 0), ("b", 1), ("c", 2)] {
            assert!(brought(&push(true), &pull(Some(merge))));
            assert_eq!(place(&push(true), &pull(Some(merge))), Some(at));
        }
        assert!(!brought(&push(true), &pull(Some("d"))), "merged by another push");
    }

    #[test]
    fn where_the_merge_or_a_commit_of_the_push_is_not_told_the_link_counts() {
        assert!(brought(&push(true), &pull(None)));
        assert!(brought(&push(false), &pull(Some("d"))));
    }
}
