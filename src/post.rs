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
    github::{Github, Patience, Trouble},
    inputs::{Inputs, OnCancel},
    observe::Observer,
    plan::Subject,
    preflight::Checked,
    report::log,
    state::{Hand, Stage},
    sticky::{Found, Sticky},
    tempo::Tempo,
    watch::spare_or_cancel,
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
    let on_cancel = if sweep { OnCancel::Leave } else { inputs.on_cancel };
    let patience = Patience::new(tempo.last_words * 4, stop);
    let job = Job { inputs: &inputs, context, files: &files, tempo, patience };
    let doomed = match on_cancel {
        OnCancel::Leave => String::new(),
        OnCancel::CancelWaiting => saved("waiting"),
        OnCancel::CancelAll => saved("active"),
    };
    let doomed: Vec<u64> = doomed.split(',').filter_map(|run| run.parse().ok()).collect();
    if let Err(failure) = finish(job, pull_request, &nonce, on_cancel, &doomed).await {
        tracing::warn!("the post step could not finish what the main step left: {failure}");
    }
    true
}

async fn finish(
    mut job: Job<'_>,
    pull_request: u64,
    nonce: &str,
    on_cancel: OnCancel,
    doomed: &[u64],
) -> Result<(), Failure> {
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
        return cancel(&github, doomed, on_cancel).await;
    };
    if record.hand.nonce != nonce || record.stage != Stage::Live {
        return Ok(());
    }
    if record.hand.released {
        // The comment was finished, and there was no time for all that `on-cancel` asks for.
        return cancel(&github, doomed, on_cancel).await;
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
    tracing::warn!("the main step was killed: the comment now says that nobody is watching");
    watch.leave("the job was killed", on_cancel).await;
    Ok(())
}

/// Goes on with what `on-cancel` asks for. One run that cannot be cancelled is no reason to leave the others.
async fn cancel(github: &Github, doomed: &[u64], on_cancel: OnCancel) -> Result<(), Failure> {
    for run in doomed {
        match spare_or_cancel(github, *run, on_cancel).await {
            Ok(true) => tracing::warn!("run {run}: cancellation asked for"),
            Ok(false) => tracing::info!("run {run}: it waits no longer, so it is left alone"),
            Err(trouble @ (Trouble::OutOfTime { .. } | Trouble::Stopped)) => return Err(trouble.into()),
            Err(trouble) => tracing::warn!("run {run} could not be cancelled: {trouble}"),
        }
    }
    Ok(())
}

/// Whether this process is the post step: told by the name it was started with, never by state.
pub fn is_post(program: &str) -> bool {
    std::path::Path::new(program).file_name().and_then(|name| name.to_str()).is_some_and(|name| name == POST)
}

/// The name of the program's second path.
pub const POST: &str = "deployment-approvals-post";
