//! From a push to the merged pull requests it brought.
//!
//! GitHub links a commit to every pull request it was ever part of, and does so a little late: a pull request
//! counts only if the commit its merge made came with the push, and GitHub is asked again while there is time.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};

use crate::{
    begin::Job,
    event::{Commit, Push},
    github::{Github, Patience, Pull, Trouble},
    ordered::Ordered,
    report::log,
};

/// Commits of a push that are looked at beside the last one: each costs a request.
const MOST_COMMITS: usize = 50;

/// Of which so many are asked at once.
const AT_ONCE: usize = 8;

/// Requests for pull requests that titles of commits name.
const MOST_NAMED: usize = 60;

/// The merged pull requests a push brought to a branch, the last one last. The push may precede its link to
/// the pull request, so that GitHub is asked again.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn merged(job: &Job<'_>, github: &Github, push: &Push) -> Result<Vec<Pull>, Trouble> {
    let mut turns = Turns::new(job);
    let mut search = Search { github, push, found: BTreeMap::new(), elsewhere: BTreeMap::new() };
    let mut links = loop {
        let links = search.ask(std::iter::once(&push.commit)).await?;
        if !search.found.is_empty() || !turns.again().await? {
            break links;
        }
    };
    let of_the_last = search.elsewhere.clone();
    // The last commit may be somebody's own, pushed together with a merge.
    warn_of_more(push);
    links.extend(search.ask(push.before.iter().take(MOST_COMMITS)).await?);
    search.ask_named(unlinked(links, &search.found), &mut turns).await?;
    if search.found.is_empty() {
        // Nothing tells better: the commit that the push is about belongs to these.
        search.elsewhere.retain(|number, _| !of_the_last.contains_key(number));
        search.found = of_the_last;
    }
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
    elsewhere: BTreeMap<u64, Pull>,
}

impl<'a> Search<'a> {
    /// Asks for the pull requests of these commits.
    async fn ask(&mut self, commits: impl Iterator<Item = &'a Commit>) -> Result<Links<'a>, Trouble> {
        let links: Links<'a> =
            stream::iter(commits.map(|commit| links(self.github, commit))).buffered(AT_ONCE).try_collect().await?;
        for pull in links.iter().flat_map(|(_, pulls)| pulls) {
            if pull.merged_at.is_none() || pull.base_ref != self.push.branch {
                continue;
            }
            if brought(self.push, pull) {
                self.found.insert(pull.number, pull.clone());
            } else {
                self.elsewhere.insert(pull.number, pull.clone());
            }
        }
        Ok(links)
    }

    /// Asks for pull requests that titles of commits name: an earlier one of a merge queue may have its link later
    /// than the last one. The pull request itself tells whether this push merged it.
    async fn ask_named(&mut self, mut named: BTreeMap<u64, &Commit>, turns: &mut Turns<'_>) -> Result<(), Trouble> {
        let mut asked = 0;
        while !named.is_empty() {
            asked += named.len();
            for (number, pull) in try_join_all(named.keys().map(|number| known(self.github, *number))).await? {
                let claim = pull.as_ref().map_or(Some(false), |pull| merged_it(self.push, pull));
                if claim.is_some() {
                    named.remove(&number);
                }
                self.found.extend(pull.filter(|_| claim == Some(true)).map(|pull| (number, pull)));
            }
            if named.is_empty() || asked + named.len() > MOST_NAMED || !turns.again().await? {
                break;
            }
        }
        for (number, commit) in named {
            tracing::warn!(
                "commit `{}` names pull request #{number}, and GitHub does not tell that it was merged: if it was, run \
                 this workflow by `workflow_dispatch` with `pull-request: {number}`",
                commit.id
            );
        }
        Ok(())
    }

    /// Says which pull requests are left to the push that merged them.
    fn tell_elsewhere(&self) {
        if !self.elsewhere.is_empty() {
            let names: Vec<String> = self.elsewhere.keys().map(|number| format!("#{number}")).collect();
            log::notice(&format!(
                "the push brings commits of {}, merged by a commit that is not among them: not deployed here",
                names.join(", ")
            ));
        }
    }

    /// What was found as it is now, the last one last: what the list of a commit says of labels may be old.
    async fn as_they_are(&self, turns: &mut Turns<'_>) -> Result<Vec<Pull>, Trouble> {
        let mut found: Vec<&Pull> = self.found.values().collect();
        found.sort_unstable_by_key(|pull| (place(self.push, pull), pull.merged_at, pull.number));
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
    push.before.iter().rev().chain([&push.commit]).position(|commit| commit.id == merge)
}

/// Whether this push merged a pull request that one of its commits names; `None`: that cannot be told yet.
fn merged_it(push: &Push, pull: &Pull) -> Option<bool> {
    match (pull.merged_at, &pull.merge_commit) {
        (None, _) if pull.open => None,
        (None, _) => Some(false),
        (Some(_), _) if pull.base_ref != push.branch => Some(false),
        (Some(_), None) => None,
        (Some(_), Some(_)) => Some(place(push, pull).is_some()),
    }
}

/// The commits that name a pull request nobody found, each by that one's number. A branch's own commits name what
/// they like; they are linked to the pull request that brought them, and so are not among these.
fn unlinked<'a>(links: Links<'a>, found: &BTreeMap<u64, Pull>) -> BTreeMap<u64, &'a Commit> {
    let is_linked = |pull: &Pull| pull.merged_at.is_some() || found.contains_key(&pull.number);
    let bare = links.into_iter().filter(|(_, pulls)| !pulls.iter().any(is_linked));
    let named = bare.filter_map(|(commit, _)| Some((named(&commit.title)?, commit)));
    named.filter(|(number, _)| !found.contains_key(number)).ordered()
}

/// The pull request that a commit's title says it merged, in the words GitHub proposes for a merge or a squash.
fn named(title: &str) -> Option<u64> {
    let merged = title.strip_prefix("Merge pull request #").and_then(|rest| rest.split(' ').next());
    let squashed = || title.trim_end().strip_suffix(')')?.rsplit_once("(#").map(|(_, number)| number);
    let number = merged.or_else(squashed)?;
    number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Commits, each with the pull requests it is linked to.
type Links<'a> = Vec<(&'a Commit, Vec<Pull>)>;

/// The pull requests a commit is linked to.
async fn links<'a>(github: &Github, commit: &'a Commit) -> Result<(&'a Commit, Vec<Pull>), Trouble> {
    match github.pulls_of(&commit.id).await {
        Ok(pulls) => Ok((commit, pulls)),
        // A commit GitHub does not know yet.
        Err(Trouble::NotFound { .. } | Trouble::Refused { status: 409 | 422, .. }) => Ok((commit, Vec::new())),
        Err(trouble) => Err(trouble),
    }
}

/// The pull request with this number, if there is one: it may be an issue's.
async fn known(github: &Github, number: u64) -> Result<(u64, Option<Pull>), Trouble> {
    match github.pull(number).await {
        Ok(pull) => Ok((number, Some(pull))),
        Err(Trouble::NotFound { .. }) => Ok((number, None)),
        Err(trouble) => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn commit(letter: &str, title: &str) -> Commit {
        Commit { id: letter.repeat(40), title: title.to_owned() }
    }

    fn push(whole: bool) -> Push {
        let before = vec![commit("b", ""), commit("a", "")];
        Push { commit: commit("c", ""), branch: "main".to_owned(), before, whole }
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

    #[test]
    fn titles_name_a_pull_request_as_github_writes_them() {
        for (title, number) in [
            ("Widen the subnets (#42)", Some(42)),
            ("Revert \"Widen the subnets (#42)\" (#43)", Some(43)),
            ("Merge pull request #42 from acme/widen", Some(42)),
            ("Merge pull request #42 from acme/widen (#7)", Some(42)),
            ("Merge branch 'main' into widen", None),
            ("Mend #42", None),
            ("Mend (#42).", None),
            ("Mend (#+42)", None),
            ("Mend (#)", None),
            ("", None),
        ] {
            assert_eq!(named(title), number, "{title}");
        }
    }

    #[test]
    fn only_a_commit_without_a_link_is_asked_for_what_it_names() {
        let merged = |number| Pull { number, merged_at: Some(DateTime::UNIX_EPOCH), ..Pull::default() };
        let found = BTreeMap::from([(43, merged(43))]);
        let names = |title: &str, links: &[Pull]| {
            let commit = commit("a", title);
            unlinked(vec![(&commit, links.to_vec())], &found).into_keys().collect::<Vec<u64>>()
        };
        let open = |number| Pull { number, open: true, ..Pull::default() };
        assert_eq!(names("Widen (#41)", &[]), [41]);
        assert_eq!(names("Widen (#41)", &[open(41)]), [41], "the link is older than the merge");
        assert!(names("Widen (#41)", &[merged(42)]).is_empty(), "part of another");
        assert!(names("Widen (#41)", &[open(43)]).is_empty(), "part of one that was found");
        assert!(names("Widen (#43)", &[]).is_empty(), "found already");
    }

    #[test]
    fn a_pull_request_tells_itself_whether_this_push_merged_it() {
        let merged = |merge_commit: Option<&str>| Pull {
            merged_at: Some(DateTime::UNIX_EPOCH),
            base_ref: "main".to_owned(),
            ..pull(merge_commit)
        };
        assert_eq!(merged_it(&push(true), &merged(Some("a"))), Some(true));
        assert_eq!(merged_it(&push(true), &merged(Some("d"))), Some(false), "picked from what was merged before");
        assert_eq!(merged_it(&push(true), &merged(None)), None);
        let elsewhere = Pull { base_ref: "next".to_owned(), ..merged(Some("a")) };
        assert_eq!(merged_it(&push(true), &elsewhere), Some(false));
        assert_eq!(merged_it(&push(true), &Pull { open: true, ..pull(Some("a")) }), None);
        assert_eq!(merged_it(&push(true), &pull(None)), Some(false), "closed without a merge");
    }
}
