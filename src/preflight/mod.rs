//! Everything that can be checked before anything is applied, looked at in one go.
//!
//! [`ask`] asks GitHub, with a number of requests that depends on distinct workflows and environments and not
//! on deployments. The checks are pure functions from [`Facts`] to findings. With any error nothing at all is
//! dispatched. What a later process dispatches from the state of an earlier one passes here again.

pub mod ask;
pub mod environments;
pub mod jobs;
pub mod patterns;
pub mod permissions;
#[cfg(test)]
mod tests;
pub mod workflows;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    finding::{self, Finding},
    github::{Environment, Github, Pattern, Pull, Trouble, WorkflowState},
    inputs::EnvironmentCheck,
    ordered::Ordered,
    plan::Planned,
    rollout::{Deployment, Progress, Rollout},
    workflow::Declared,
};

/// A workflow file at a ref.
pub type Source = (String, String);

/// What GitHub said, or why it said nothing.
pub type Answer<T> = Result<T, Trouble>;

/// What was found, and what was read on the way.
#[derive(Debug, Default)]
pub struct Checked {
    /// All findings, errors first.
    pub findings: Vec<Finding>,
    /// The workflows that could be read.
    pub workflows: BTreeMap<Source, Declared>,
    /// The environments, as far as they are known.
    pub environments: Vec<Environment>,
}

impl Checked {
    /// Whether the title of a deployment's run shows its id, so that the run can be found by it.
    pub fn shows_id(&self, rollout: &Rollout, deployment: &Deployment) -> bool {
        let planned = &deployment.planned;
        let id = rollout.id(deployment);
        self.workflows.get(&(planned.workflow.clone(), planned.git_ref.clone())).is_some_and(|declared| {
            declared.shows(&declared.filled(&planned.inputs, &rollout.subject.merge_commit, &id), &id)
        })
    }

    /// What is known of a deployment's workflow.
    pub fn told(&self, rollout: &Rollout, deployment: &Deployment) -> Told {
        let planned = &deployment.planned;
        let declared = self.workflows.get(&(planned.workflow.clone(), planned.git_ref.clone()));
        let one_job =
            declared.is_some_and(|declared| matches!(&*declared.jobs, [job] if job.uses.is_none() && !job.matrix));
        Told { shows_id: self.shows_id(rollout, deployment), one_job }
    }
}

/// What is known of a deployment's workflow; by default nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// The title of its run shows its id.
    pub shows_id: bool,
    /// It has one job alone, made once: while that runs, no other can come to a gate.
    pub one_job: bool,
}

/// A merge that is not made yet: what lies on its base branch is read as the merge would leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestMerge {
    /// The branch it goes into.
    pub base: String,
    /// Where that branch's files are read.
    pub commit: String,
    /// The commit is GitHub's test merge; else it is the pull request's last one.
    pub made: bool,
    /// GitHub knows the workflows of this branch: it is the default branch.
    pub default: bool,
}

impl TestMerge {
    /// Of an open pull request.
    pub fn of(pull: &Pull) -> Option<Self> {
        let made = pull.test_merge();
        pull.open.then(|| Self {
            base: pull.base_ref.clone(),
            commit: made.unwrap_or(&pull.head_sha).to_owned(),
            made: made.is_some(),
            default: pull.default_branch.as_ref() == Some(&pull.base_ref),
        })
    }

    /// Whether a ref is the branch it goes into.
    pub fn changes(&self, git_ref: &str) -> bool {
        git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref) == self.base
    }
}

/// All that the checks look at besides the rollout.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The listing of environments; `None`: not asked for.
    pub environments: Option<Answer<Vec<Environment>>>,
    /// The patterns of environments that have some, by the environment's name as the listing has it.
    pub patterns: BTreeMap<String, Answer<Vec<Pattern>>>,
    /// The apps with custom rules, for environments that seem unprotected without.
    pub apps: BTreeMap<String, Answer<Vec<String>>>,
    /// The protected branches, where an environment admits these alone.
    pub protected_branches: Option<Answer<Vec<String>>>,
    /// The workflows.
    pub workflows: BTreeMap<Source, WorkflowFacts>,
    /// Workflows of this repository that those call: their path and ref.
    pub called: BTreeMap<Source, Answer<Result<Declared, String>>>,
    /// Whether a dispatch is answered with the run it makes.
    pub names_runs: bool,
    /// The merge that is judged before it is made: of a preview.
    pub merge: Option<TestMerge>,
}

impl Facts {
    /// The merge that a ref is judged after, if it is.
    pub fn merge_into(&self, git_ref: &str) -> Option<&TestMerge> {
        self.merge.as_ref().filter(|merge| merge.changes(git_ref))
    }
}

/// What is known of a workflow.
#[derive(Debug, Clone)]
pub struct WorkflowFacts {
    /// As the default branch has it.
    pub state: Answer<WorkflowState>,
    /// The file at the ref, or why it is no workflow.
    pub file: Answer<Result<Declared, String>>,
}

impl WorkflowFacts {
    /// The file, where it could be read.
    pub fn declared(&self) -> Option<&Declared> {
        self.file.as_ref().ok()?.as_ref().ok()
    }
}

/// A deployment that is still to be dispatched.
#[derive(Debug, Clone)]
pub struct Open<'a> {
    /// What is planned.
    pub planned: &'a Planned,
    /// Its id.
    pub id: String,
    /// The merge commit.
    pub merge_commit: &'a str,
}

impl Open<'_> {
    /// The workflow it is dispatched with.
    pub fn source(&self) -> Source {
        (self.planned.workflow.clone(), self.planned.git_ref.clone())
    }

    /// The inputs it would be dispatched with.
    pub fn inputs(&self, declared: &Declared) -> BTreeMap<String, String> {
        declared.filled(&self.planned.inputs, self.merge_commit, &self.id)
    }
}

/// What is still to be dispatched.
pub fn open(rollout: &Rollout) -> Vec<Open<'_>> {
    rollout
        .deployments
        .iter()
        .filter(|deployment| deployment.planned.skip.is_none())
        .filter(|deployment| matches!(deployment.progress, Progress::Planned | Progress::Intended { .. }))
        .map(|deployment| Open {
            planned: &deployment.planned,
            id: rollout.id(deployment),
            merge_commit: &rollout.subject.merge_commit,
        })
        .collect()
}

/// Checks what is still to be dispatched, or would be after a merge that is not made yet.
///
/// # Errors
/// GitHub could not be asked: no finding of the check, the check itself failed.
pub async fn check(
    github: &Github,
    rollout: &Rollout,
    check: EnvironmentCheck,
    merge: Option<TestMerge>,
) -> Result<Checked, Trouble> {
    let open = open(rollout);
    if open.is_empty() {
        return Ok(Checked::default());
    }
    let facts = ask::facts(github, &open, check, merge).await?;
    let findings = findings(&open, &facts, check);
    let listed = facts.environments.iter().flatten().flatten();
    let environments = listed.map(|environment| environments::complete(environment, &facts)).collect();
    let declared = |(source, facts): (Source, WorkflowFacts)| Some((source, facts.file.ok()?.ok()?));
    let workflows = facts.workflows.into_iter().filter_map(declared).ordered();
    Ok(Checked { findings, workflows, environments })
}

/// All that is wrong, each thing once. Pure.
pub fn findings(open: &[Open<'_>], facts: &Facts, check: EnvironmentCheck) -> Vec<Finding> {
    let mut found = permissions::findings(facts);
    for (source, users) in by(open, Open::source) {
        found.extend(workflows::findings(&source, &users, facts, check));
    }
    found.extend(environments::findings(open, facts, check));
    finding::gather(found)
}

/// The deployments by something they have in common.
fn by<'a, K: Ord>(open: &'a [Open<'a>], key: impl Fn(&Open<'a>) -> K) -> BTreeMap<K, Vec<&'a Open<'a>>> {
    let mut groups: BTreeMap<K, Vec<&Open<'_>>> = BTreeMap::new();
    for one in open {
        groups.entry(key(one)).or_default().push(one);
    }
    groups
}

/// The names of components, each once.
fn names(users: &[&Open<'_>]) -> BTreeSet<String> {
    users.iter().map(|one| one.planned.name()).ordered()
}
