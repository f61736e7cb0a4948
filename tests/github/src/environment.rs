//! Environments and their protection rules.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments>

use crate::clock::Millis;
use crate::people::{Reviewer, User};

/// An environment; without any rule it is unprotected.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub id: u64,
    pub name: String,
    pub reviewers: Vec<Reviewer>,
    pub prevent_self_review: bool,
    /// Minutes.
    pub wait_timer: u32,
    pub branch_policy: BranchPolicy,
    /// Slugs of apps whose custom rule must pass.
    pub custom_rules: Vec<String>,
    pub created: Millis,
    /// Made by GitHub because a job named it.
    pub made_on_use: bool,
}

/// Which refs may deploy here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BranchPolicy {
    #[default]
    Any,
    /// Protected branches only: in this world, the default branch.
    Protected,
    /// Name patterns, `*` within a segment and `**` across.
    Named(Vec<String>),
}

impl Environment {
    /// An unprotected environment.
    pub fn named(name: &str) -> Environment {
        Environment { name: name.to_owned(), ..Environment::default() }
    }

    /// Protected by these people. `@org/team` or `team:slug` names a team.
    pub fn reviewed_by(mut self, reviewers: &[&str]) -> Environment {
        let read = |name: &&str| match name.strip_prefix("team:").or_else(|| name.split_once('/').map(|t| t.1)) {
            Some(slug) => Reviewer::Team(slug.to_owned()),
            None => Reviewer::User(User::named(name)),
        };
        self.reviewers = reviewers.iter().map(read).collect();
        self
    }

    /// With a wait timer, in GitHub's minutes (see `Pace::minute`).
    pub fn waiting(mut self, minutes: u32) -> Environment {
        self.wait_timer = minutes;
        self
    }

    pub fn preventing_self_review(mut self) -> Environment {
        self.prevent_self_review = true;
        self
    }

    pub fn only_from(mut self, patterns: &[&str]) -> Environment {
        self.branch_policy = BranchPolicy::Named(patterns.iter().map(|p| (*p).to_owned()).collect());
        self
    }

    pub fn only_from_protected_branches(mut self) -> Environment {
        self.branch_policy = BranchPolicy::Protected;
        self
    }

    pub fn with_custom_rule(mut self, app: &str) -> Environment {
        self.custom_rules.push(app.to_owned());
        self
    }

    /// Whether anything makes a job wait here.
    pub fn holds_jobs(&self) -> bool {
        !self.reviewers.is_empty() || self.wait_timer > 0 || !self.custom_rules.is_empty()
    }

    /// Whether a branch may deploy here.
    pub fn admits(&self, branch: &str, default_branch: &str) -> bool {
        match &self.branch_policy {
            BranchPolicy::Any => true,
            BranchPolicy::Protected => branch == default_branch,
            BranchPolicy::Named(patterns) => patterns.iter().any(|p| matches(p, branch)),
        }
    }
}

/// As `File.fnmatch` with FNM_PATHNAME does: `*` stays within a segment, a segment of `**` spans many.
fn matches(pattern: &str, name: &str) -> bool {
    fn segments(pattern: &[&str], name: &[&str]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => (0..=name.len()).any(|n| segments(rest, &name[n..])),
            (Some((p, ps)), Some((n, ns))) => within(p, n) && segments(ps, ns),
            _ => false,
        }
    }
    fn within(pattern: &str, text: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern == text,
            Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
                let mut ends = (0..=rest.len()).filter(|n| rest.is_char_boundary(*n));
                ends.any(|n| within(after, &rest[n..]))
            }),
        }
    }
    segments(&pattern.split('/').collect::<Vec<_>>(), &name.split('/').collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_policy_admits_by_pattern() {
        let environment = Environment::named("production").only_from(&["main", "release/*"]);
        assert!(environment.admits("main", "main"));
        assert!(environment.admits("release/1.0", "main"));
        assert!(!environment.admits("release/1/0", "main"));
        assert!(!environment.admits("mainline", "main"));
    }
}
