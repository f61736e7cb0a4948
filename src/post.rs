//! The post step: what is left to do when the main step was killed.
//!
//! GitHub runs it as a container of its own after every job, however that ended. It never dispatches, and
//! after an orderly end it does nothing.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax#runspost-entrypoint>

use tokio::sync::watch as signal;

use crate::{
    Failure,
    begin::{Case, Job},
    context::{self, Context},
    event::{self, Trigger},
    files::Files,
    fresh,
    github::{Github, Patience},
    inputs::{Inputs, OnCancel},
    observe::Observer,
    plan::Subject,
    preflight::Checked,
    report::log,
    state::{Hand, Stage},
    sticky::{Found, Sticky},
    tempo::Tempo,
    watch::{Doomed, cancel_all},
};

/// Finishes what a killed main step left: comment, `on-cancel`, release. Always passes: the main step's own
/// end has told what there is to tell.
pub async fn run(environment: &[(String, String)], tempo: Tempo, stop: signal::Receiver<bool>) -> bool {
    let mut files = Files::of(environment);
    // Outputs and summary are the main step's.
    files.output = None;
    files.summary = None;
    log::start(log::debugging(environment), files.token.clone());
    let saved = |name: &str| {
        let wanted = format!("STATE_{name}");
        environment
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let (nonce, orderly) = (saved("nonce"), saved("orderly"));
    if nonce.is_empty() || orderly == "true" {
        return true;
    }
    let (Ok(inputs), Ok(context)) = (Inputs::read(environment), Context::read(environment)) else {
        return true;
    };
    let Ok(pull_request) = saved("pull_request").parse() else {
        return true;
    };
    // A sweep leaves runs alone: the next one goes on with them.
    let sweep = event::read(&context.event_path, &context.event_name, inputs.pull_request)
        .is_ok_and(|event| matches!(event.trigger, Trigger::Sweep));
    // And so did a main step that left for its time-out.
    let spared = sweep || saved("spared") == "true";
    let rest = Rest {
        on_cancel: if spared { OnCancel::Leave } else { inputs.on_cancel },
        doomed: saved("doomed").split(',').filter_map(Doomed::read).filter(|_| !spared).collect(),
        asked: saved("asked").split(',').filter_map(|run| run.parse().ok()).collect(),
    };
    let patience = Patience::new(tempo.last_words * 4, stop);
    let job = Job { inputs: &inputs, context, files: &files, tempo, patience };
    if let Err(failure) = finish(job, pull_request, &nonce, rest).await {
        tracing::warn!("the post step could not finish what the main step left: {failure}");
    }
    true
}

/// What is left of `on-cancel`, as the main step saved it.
struct Rest {
    on_cancel: OnCancel,
    /// Runs that are still to be cancelled.
    doomed: Vec<Doomed>,
    /// Runs whose cancellation was asked for.
    asked: Vec<u64>,
}

async fn finish(mut job: Job<'_>, pull_request: u64, nonce: &str, rest: Rest) -> Result<(), Failure> {
    if job.context.repository.is_empty() {
        let event = event::read(&job.context.event_path, &job.context.event_name, job.inputs.pull_request)?;
        job.context.repository = event.repository.filter(|name| context::is_repository(name)).unwrap_or_default();
    }
    let github = Github::new(&job.context, job.inputs, job.tempo, job.patience.clone())?;
    let opened = if job.inputs.comment {
        Some(Sticky::open(&github, pull_request, &job.inputs.comment_key).await?)
    } else {
        None
    };
    let Some((sticky, Found::Record(record))) = opened else {
        // No comment tells: what the main step saved does.
        let github = github.with_patience(job.patience.anew(job.tempo.cancellations));
        cancel_all(&github, &rest.doomed, rest.on_cancel).await;
        return Ok(());
    };
    if record.hand.nonce != nonce || record.stage != Stage::Live {
        return Ok(());
    }
    // Whether the comment says already that nobody is watching. Then there was no time for all that `on-cancel` asks
    // for, or for telling what came of it.
    let told = record.hand.released;
    if told && rest.doomed.is_empty() && rest.asked.is_empty() {
        return Ok(());
    }
    let pull = github.pull(pull_request).await?;
    let subject = Subject { comment_key: job.inputs.comment_key.clone(), ..record.rollout.subject.clone() };
    let hand = Hand { released: false, ..record.hand.clone() };
    let observer = Observer::new(job.tempo.lost, false);
    let case = Case { job, github, pull, together: Vec::new(), subject, hand, sticky: Some(sticky) };
    let mut watch = fresh::watch(case, record.rollout, record.origin, Checked::default(), observer);
    let now = watch.case.github.now();
    if let Err(trouble) = watch.observer.look(&watch.case.github, &mut watch.rollout, &[], now).await {
        tracing::info!("the runs could not be looked at once more: {trouble}");
    }
    let (why, doomed) = if told {
        ("the job was cancelled", rest.doomed)
    } else {
        tracing::warn!("the main step was killed: the comment now says that nobody is watching");
        ("the job was killed", watch.doomed(rest.on_cancel))
    };
    let asked = rest.asked.into_iter().filter(|run| doomed.iter().all(|one| one.run != *run)).collect();
    watch.leave_slowly(why, rest.on_cancel, &doomed, asked).await;
    Ok(())
}

/// Whether this process is the post step: told by the name it was started with, never by state.
pub fn is_post(program: &str) -> bool {
    std::path::Path::new(program).file_name().and_then(|name| name.to_str()).is_some_and(|name| name == POST)
}

/// The name of the program's second path.
pub const POST: &str = "deployment-approvals-post";
