//! What people and later steps see: the sticky comment, the job summary, the log, the outputs.
//!
//! Everything is rendered whole from a [`View`], which holds facts and no text. No request is made here.
//!
//! Comment and summary are made of the same sections, in the order in which a reader asks: where does it stand
//! (`headline`), does it need me (`attention`), what of the rest (`table`), who decided (`audit`), what depends
//! on what (`graph`), when was what (`timeline`), what can I do (`onward`).

pub mod annotations;
mod attention;
mod audit;
pub mod changes;
pub mod comment;
pub mod escape;
mod fold;
mod graph;
mod headline;
pub mod log;
mod onward;
pub mod outputs;
mod preview;
pub mod summary;
mod table;
mod timeline;
mod words;

use crate::{
    checks::Check,
    context::Context,
    finding::{self, Finding},
    github::Environment,
    rollout::{Deployment, End, Progress, Rollout, Standing, Status},
    run::Time,
    state::Stage,
    tally::Tally,
};

/// Everything there is to show at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The rollout.
    pub rollout: &'a Rollout,
    /// Its statuses.
    pub standings: Vec<Standing>,
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
    pub run_url: String,
    /// The page of the run that began the rollout: re-run, it tries again. A sweep that follows it is another.
    pub job_url: String,
    /// Now. The comment must not show it, or it would have to be written again at every look.
    pub now: Time,
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

impl<'a> View<'a> {
    /// A rollout as this run sees it now.
    pub fn of(rollout: &'a Rollout, stage: Stage, watcher: Watcher, context: &'a Context, now: Time) -> Self {
        Self {
            rollout,
            standings: rollout.standings(),
            stage,
            reason: None,
            watcher,
            findings: &[],
            environments: &[],
            server_url: &context.server_url,
            run_url: context.run_url(),
            job_url: context.run_url(),
            now,
        }
    }

    /// With what preflight found, and the environments it read.
    pub fn checked(self, findings: &'a [Finding], environments: &'a [Environment]) -> Self {
        Self { findings, environments, ..self }
    }

    /// With the run that began it.
    pub fn begun_by(self, run: u64) -> Self {
        let page = self.run_url.rsplit_once('/').map(|(pages, _)| format!("{pages}/{run}"));
        Self { job_url: page.unwrap_or_default(), ..self }
    }

    /// With why nothing is deployed, where that is on purpose.
    pub fn because(self, reason: Option<&'a str>) -> Self {
        Self { reason, ..self }
    }

    /// The deployments with their standings.
    pub fn rows(&self) -> impl Iterator<Item = (&Deployment, &Standing)> {
        self.rollout.deployments.iter().zip(&self.standings)
    }

    /// The counts.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.standings)
    }

    /// How many have this status.
    fn count(&self, status: Status) -> usize {
        self.standings.iter().filter(|standing| standing.status == status).count()
    }

    /// The finding by which the rollout is, or would be, held.
    fn held(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == Check::MaxDeployments)
    }

    /// A check found an error.
    fn broken(&self) -> bool {
        finding::errors(self.findings)
    }

    /// The page of a deployment's run; of one that failed, its job. A run that is lost has none.
    fn page(&self, deployment: &Deployment) -> Option<String> {
        if matches!(deployment.progress, Progress::Ended { end: End::Lost, .. }) {
            return None;
        }
        let run = deployment.run()?;
        let page = format!("{}/{}/actions/runs/{}", self.server_url, self.rollout.subject.repository, run.id);
        Some(match &deployment.progress {
            Progress::Ended { job: Some(job), .. } => format!("{page}/job/{job}"),
            _ => page,
        })
    }
}
