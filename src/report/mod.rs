//! What people and later steps see: the sticky comment, the job summary, the log, the outputs.
//!
//! Everything is rendered whole from a [`View`], which holds facts and no text. No request is made here.

pub mod annotations;
pub mod changes;
pub mod comment;
pub mod escape;
pub mod log;
pub mod outputs;
mod preview;
pub mod summary;
mod words;

use crate::{
    finding::Finding,
    github::Environment,
    rollout::{Deployment, Rollout, Standing},
    state::Stage,
    tally::Tally,
};

/// Everything there is to show at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The rollout.
    pub rollout: &'a Rollout,
    /// Its statuses.
    pub standings: &'a [Standing],
    /// How far the whole is.
    pub stage: Stage,
    /// Why nothing is deployed, where that is on purpose.
    pub reason: Option<&'a str>,
    /// Who keeps this true.
    pub watcher: Watcher,
    /// What preflight found.
    pub findings: &'a [Finding],
    /// The environments as preflight read them, where a plan is shown.
    pub environments: &'a [Environment],
    /// `https://github.com`, or an Enterprise Server's.
    pub server_url: &'a str,
    /// The page of the workflow run this process belongs to.
    pub run_url: &'a str,
}

/// Who keeps the comment true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watcher {
    /// This run, now.
    Here,
    /// The next pass: this one is over (`wait: false`).
    Later,
    /// Nobody until somebody or something runs the action again; why.
    Nobody(String),
}

impl View<'_> {
    /// The deployments with their standings.
    pub fn rows(&self) -> impl Iterator<Item = (&Deployment, &Standing)> {
        self.rollout.deployments.iter().zip(self.standings)
    }

    /// The counts.
    pub fn tally(&self) -> Tally {
        Tally::of(self.standings)
    }

    /// The page of a deployment's run.
    pub fn run_page(&self, deployment: &Deployment) -> Option<String> {
        let run = deployment.run()?;
        Some(format!("{}/{}/actions/runs/{}", self.server_url, self.rollout.subject.repository, run.id))
    }
}
