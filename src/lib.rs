//! Deployment approvals: a GitHub Action that applies a merged pull request to real infrastructure through
//! GitHub's own environments, and keeps one pull request comment true until all is done.
//!
//! Data flows one way. The core is pure (no request, clock or environment variable); the edge is thin.
//!
//! ```text
//!        event.json  INPUT_*  affected list / changed files  deployments.yml
//!              \        |         |                            /
//!               ▼       ▼         ▼                           ▼
//!   main ── run: event ─▶ affected ─▶ plan ─▶ preflight ─▶ ┌──── one pass ─────┐ ─▶ outputs
//!                                                          │ observe  (github) │
//!                                                          │ decide   (pure)   │  repeated by `watch`
//!                                                          │ act      (github) │  until finished, timed
//!                                                          │ show     (comment)│  out or stopped
//!                                                          └───────────────────┘
//! ```
//!
//! * Strings die in [`inputs`], [`context`] and [`event`]; HTTP dies in [`github`]; Markdown is born in
//!   [`report`].
//! * A [`rollout`] holds facts; statuses are derived from them, by one function.
//! * What deploys happens in one place, `watch::Watch::act`: intent written down, request, outcome.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        reason = "a test may panic"
    )
)]

pub mod affected;
pub mod begin;
pub mod cadence;
pub mod checks;
pub mod config;
pub mod context;
pub mod decide;
pub mod event;
pub mod files;
pub mod finding;
pub mod fresh;
pub mod github;
pub mod given;
pub mod going_on;
pub mod graph;
pub mod identity;
pub mod inputs;
pub mod json;
pub mod observe;
pub mod ordered;
pub mod plan;
pub mod post;
pub mod preflight;
pub mod preview;
pub mod pushed;
pub mod report;
pub mod resume;
pub mod rollout;
pub mod run;
pub mod state;
pub mod sticky;
pub mod sweep;
pub mod tally;
pub mod tempo;
pub mod unbegun;
pub mod verdict;
pub mod wanted;
pub mod watch;
pub mod workflow;
pub mod workspace;
pub mod yaml;

use tokio::sync::watch as signal;

use crate::{
    begin::{Begun, Job},
    context::Context,
    files::Files,
    github::{Patience, Trouble},
    inputs::{Inputs, OnTimeout},
    report::{Watcher, log, outputs::Outputs, summary},
    state::Stage,
    tally::Outcome,
    tempo::Tempo,
    watch::{Ended, Watch},
};

/// Why the action did not come to follow a rollout.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Inputs, the runner's variables, the event, or what cannot be told of before. Each is one sentence.
    #[error("{}", .0.join("\n"))]
    Mistakes(Vec<String>),
    /// GitHub could not be asked, or refused.
    #[error("{0}")]
    Trouble(#[from] Trouble),
    /// One of these, with a pull request that is known, and its comment's id and page.
    #[error("{failure}")]
    About {
        /// The pull request.
        pull_request: u64,
        /// The comment, where there is one.
        comment: Option<(u64, String)>,
        /// What happened.
        failure: Box<Failure>,
    },
}

impl Failure {
    /// The same, of a pull request. What is known already stays.
    fn about(self, pull_request: u64, comment: Option<(u64, String)>) -> Self {
        match self {
            Self::About { .. } => self,
            failure => Self::About { pull_request, comment, failure: Box::new(failure) },
        }
    }

    /// What happened, whatever it is about.
    fn bare(self) -> Self {
        match self {
            Self::About { failure, .. } => *failure,
            failure => failure,
        }
    }
}

impl From<String> for Failure {
    fn from(mistake: String) -> Self {
        Self::Mistakes(vec![mistake])
    }
}

/// Runs the action once, to its end. `stop` turns true when a signal comes. Tells whether the step passes.
pub async fn run(environment: &[(String, String)], tempo: Tempo, stop: signal::Receiver<bool>) -> bool {
    let files = Files::of(environment);
    log::start(log::debugging(environment), files.token.clone());
    let settings = match settings(environment) {
        Ok(settings) => settings,
        Err(mistakes) => return give_up(&files, Failure::Mistakes(mistakes), None),
    };
    let (inputs, context) = settings;
    let patience = Patience::new(inputs.timeout, stop);
    let job = Job { inputs: &inputs, context, files: &files, tempo, patience };
    match begin::begin(job).await {
        Ok(Begun::Watch(watch)) => follow(*watch).await,
        // `begin` looks again itself.
        Ok(Begun::Overtaken(_)) => false,
        Ok(Begun::Over(over)) => {
            files.outputs(&over.outputs.lines());
            files.summary(&over.summary);
            over.pass
        }
        Err(failure) => give_up(&files, failure, Some(inputs.on_timeout)),
    }
}

/// Inputs and variables, with all mistakes of both.
fn settings(environment: &[(String, String)]) -> Result<(Inputs, Context), Vec<String>> {
    match (Inputs::read(environment), Context::read(environment)) {
        (Ok(inputs), Ok(context)) => Ok((inputs, context)),
        (inputs, context) => {
            let mut mistakes = inputs.err().unwrap_or_default();
            mistakes.extend(context.err().unwrap_or_default());
            Err(mistakes)
        }
    }
}

/// Ends a run that never came to follow anything. Nothing was dispatched by it.
fn give_up(files: &Files, failure: Failure, on_timeout: Option<OnTimeout>) -> bool {
    let (pull_request, comment) = match &failure {
        Failure::About { pull_request, comment, .. } => (Some(*pull_request), comment.clone().unzip()),
        _ => (None, (None, None)),
    };
    let failure = failure.bare();
    let (result, pass) = match &failure {
        Failure::Trouble(Trouble::OutOfTime { .. }) => (Outcome::Pending, on_timeout == Some(OnTimeout::Detach)),
        Failure::Trouble(Trouble::Stopped) => (Outcome::Pending, false),
        // The token expired while another copy was followed.
        Failure::Trouble(Trouble::Unauthorized(_)) if files.told() => (Outcome::Pending, false),
        _ => (Outcome::Failed, false),
    };
    let text = match &failure {
        Failure::Trouble(trouble) => told(trouble),
        other => other.to_string(),
    };
    match &failure {
        Failure::Mistakes(mistakes) => mistakes.iter().for_each(|mistake| tracing::error!("{mistake}")),
        _ => tracing::error!("{text}"),
    }
    // While another copy was followed, its outputs were kept current: they are better than none.
    if result != Outcome::Pending || !files.told() {
        let (comment_id, comment_url) = comment;
        files.outputs(&Outputs { pull_request, comment_id, comment_url, ..Outputs::bare(result) }.lines());
    }
    files.summary(&summary::sentence(&log::redact(&text, &files.token)));
    pass
}

/// A refused request says which `permissions:` line is missing, and how to go on.
fn told(trouble: &Trouble) -> String {
    match preflight::permissions::finding(trouble) {
        Some(finding) => format!(
            "{}. Then re-run this job, or run the workflow by `workflow_dispatch` with the input `pull-request`",
            finding.line()
        ),
        None => trouble.to_string(),
    }
}

/// Follows the rollout to an end of the watch, and tells it.
async fn follow(mut watch: Watch<'_>) -> bool {
    let ended = watch.run().await;
    watch.annotate();
    let inputs = watch.case.job.inputs;
    let tally = |watch: &Watch<'_>| tally::Tally::of(&watch.rollout.standings());
    match ended {
        Ended::Finished => {
            watch.summarise(Stage::Finished, &Watcher::Here);
            watch.save(true);
            let tally = tally(&watch);
            tracing::info!("finished: {}", tally.result().word());
            !tally.fails(inputs.fail_on)
        }
        Ended::Overtaken => {
            tracing::error!("another run of this action took this rollout over and goes on with it");
            watch.tell_outputs();
            watch.summarise(Stage::Live, &Watcher::Later);
            watch.save(true);
            false
        }
        Ended::OnePass => {
            watch.summarise(Stage::Live, &Watcher::Later);
            watch.save(true);
            watch.barred.is_none() && !tally(&watch).fails(inputs.fail_on)
        }
        Ended::TimedOut => {
            let why = format!("the time-out of {} is over", humantime::format_duration(inputs.timeout));
            tracing::warn!(
                "{why}: unfinished deployments go on without being watched; re-run the job to follow them again"
            );
            watch.leave(&why, inputs::OnCancel::Leave).await;
            inputs.on_timeout == OnTimeout::Detach && watch.barred.is_none() && !tally(&watch).fails(inputs.fail_on)
        }
        Ended::Stopped => {
            tracing::warn!("stopped by a signal: nobody is watching any more; re-run the job to go on");
            watch.leave("the job was cancelled", inputs.on_cancel).await;
            false
        }
        Ended::Barred(why) => {
            let left = tally(&watch).pending;
            tracing::error!("{left} deployments were not dispatched: {why}; {}", unbegun::go_on(&watch.case.pull));
            if let Err(trouble) = watch.refuse().await {
                tracing::warn!("the comment could not be brought up to date: {trouble}");
            }
            watch.save(true);
            false
        }
        Ended::Broken(why) => {
            tracing::error!(
                "{why}; what was dispatched goes on, and the comment holds what is known: re-run the job to go on"
            );
            watch.leave(&why, inputs::OnCancel::Leave).await;
            false
        }
    }
}
