//! Workflow runs and their jobs: what they are. How they move is in `life`.

use std::collections::BTreeMap;
use std::ops::Index;

use crate::clock::Millis;
use crate::people::User;
use crate::workflow::{Concurrency, JobSpec};

/// A run's inputs by name; one that was not given reads as an empty text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(pub BTreeMap<String, String>);

impl Index<&str> for Inputs {
    type Output = str;

    fn index(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// One workflow run, in its latest attempt.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: u64,
    pub number: u64,
    pub attempt: u32,
    pub workflow_id: u64,
    /// The workflow's file.
    pub path: String,
    /// The workflow's name.
    pub name: String,
    pub title: String,
    pub event: String,
    pub branch: String,
    pub sha: String,
    pub actor: User,
    pub triggering_actor: User,
    pub inputs: Inputs,
    pub created: Millis,
    pub started: Millis,
    pub updated: Millis,
    /// Before this moment no list and no look-up shows it.
    pub visible_from: Millis,
    pub jobs: Vec<Job>,
    /// Of all attempts: GitHub does not say which one a review belongs to.
    pub reviews: Vec<Review>,
    /// Earlier attempts, oldest first.
    pub past: Vec<Run>,
    pub(crate) stage: Stage,
    pub(crate) concurrency: Option<Concurrency>,
    /// The end it is to have whatever its jobs say.
    pub(crate) verdict: Option<String>,
    pub(crate) context: serde_json::Value,
}

/// Where a run as a whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Queued,
    /// Held by a workflow-level concurrency group; it has no jobs yet.
    Pending,
    Begun,
}

/// One job of one attempt.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: u64,
    pub spec: JobSpec,
    pub name: String,
    pub phase: Phase,
    pub conclusion: Option<String>,
    /// What it waits for while it is `Phase::Waiting`.
    pub gate: Option<Gate>,
    pub created: Millis,
    pub started: Option<Millis>,
    pub completed: Option<Millis>,
    pub failed_step: Option<String>,
}

/// Where a job is; every phase is one of GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its needs have not finished; GitHub does not list it yet.
    Blocked,
    /// Held by a concurrency group.
    Pending,
    /// Held by an environment's protection rules.
    Waiting,
    Queued,
    Running,
    Done,
}

/// Protection rules in front of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    pub environment: String,
    pub opened: Millis,
    pub needs_review: bool,
    pub timer_ends: Option<Millis>,
    pub custom_rules: Vec<String>,
}

impl Gate {
    pub(crate) fn is_open(&self) -> bool {
        !self.needs_review && self.timer_ends.is_none() && self.custom_rules.is_empty()
    }
}

/// What a person said about pending deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub environments: Vec<String>,
    pub state: ReviewState,
    pub user: User,
    pub comment: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewState {
    Approved,
    Rejected,
}

impl ReviewState {
    pub fn word(self) -> &'static str {
        match self {
            ReviewState::Approved => "approved",
            ReviewState::Rejected => "rejected",
        }
    }
}

impl Run {
    /// GitHub's word for where it is. A gate outweighs a sibling job that runs.
    pub fn status(&self) -> &'static str {
        let any = |phase| self.jobs.iter().any(|job| job.phase == phase);
        match self.stage {
            _ if self.conclusion().is_some() => "completed",
            Stage::Queued => "queued",
            Stage::Pending => "pending",
            Stage::Begun if any(Phase::Waiting) => "waiting",
            Stage::Begun if any(Phase::Running) => "in_progress",
            Stage::Begun if any(Phase::Queued) => "queued",
            Stage::Begun if any(Phase::Pending) => "pending",
            Stage::Begun => "in_progress",
        }
    }

    /// GitHub's word for how it ended.
    pub fn conclusion(&self) -> Option<&str> {
        if self.stage == Stage::Begun && self.jobs.iter().any(|job| job.phase != Phase::Done) {
            return None;
        }
        if self.stage != Stage::Begun || self.verdict.is_some() {
            return self.verdict.as_deref();
        }
        let any = |word| self.jobs.iter().any(|job| job.conclusion.as_deref() == Some(word));
        let worst = ["failure", "timed_out", "cancelled", "success"].into_iter().find(|word| any(word));
        (!self.jobs.is_empty()).then(|| worst.unwrap_or("skipped"))
    }

    /// The names of the environments it waits for now.
    pub fn waiting_for(&self) -> Vec<&str> {
        let gates = self.jobs.iter().filter(|job| job.phase == Phase::Waiting);
        let mut names: Vec<&str> = gates.filter_map(|job| Some(job.gate.as_ref()?.environment.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The job of that key (`apply`) or name.
    pub fn job(&self, key: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.spec.key == key || job.name == key)
    }
}

impl Job {
    /// GitHub's word; a job whose needs run is not listed at all.
    pub fn status(&self) -> Option<&'static str> {
        match self.phase {
            Phase::Blocked => None,
            Phase::Pending => Some("pending"),
            Phase::Waiting => Some("waiting"),
            Phase::Queued => Some("queued"),
            Phase::Running => Some("in_progress"),
            Phase::Done => Some("completed"),
        }
    }
}
