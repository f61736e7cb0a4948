//! Leaving before the end: the last words, and what `on-cancel` asks for.

use super::Watch;
use crate::{
    github::{Github, Patience, Trouble},
    inputs::OnCancel,
    report::Watcher,
    rollout::{Deployment, Phase, Progress},
    state::Stage,
};

impl Watch<'_> {
    /// The last thing to do when somebody must leave before the end: say that nobody is watching, and begin
    /// what `on-cancel` asks for. Both at once, since there are seconds.
    pub async fn leave(&mut self, why: &str, cancel: OnCancel) {
        let quick = self.case.github.with_patience(Patience::only(self.case.job.tempo.last_words));
        let doomed: Vec<u64> = self.doomed(cancel);
        if let Some(sticky) = &mut self.case.sticky {
            sticky.set_github(&quick);
        }
        let why = match doomed.len() {
            0 => why.to_owned(),
            1 => format!("{why}, and the cancellation of one run was asked for with it"),
            count => format!("{why}, and the cancellation of {count} runs was asked for with it"),
        };
        let watcher = Watcher::Nobody(why);
        self.case.job.files.outputs(&self.outputs(&self.rollout.standings()).lines());
        self.summarise(Stage::Live, &watcher);
        let cancels = futures_util::future::join_all(doomed.iter().map(|run| spare_or_cancel(&quick, *run, cancel)));
        let (shown, cancelled) = futures_util::future::join(self.show(Stage::Live, &watcher), cancels).await;
        if let Err(trouble) = &shown {
            tracing::warn!("the comment could not be brought up to date: {trouble}");
        }
        // What there was no time for is left to the post step.
        let done = shown.is_ok() && cancelled.iter().all(Result::is_ok);
        for (run, result) in doomed.iter().zip(cancelled) {
            match result {
                Ok(true) => tracing::info!("run {run}: cancellation asked for"),
                Ok(false) => tracing::info!("run {run}: it waits no longer, so it is left alone"),
                Err(trouble) => tracing::warn!("run {run} could not be cancelled: {trouble}"),
            }
        }
        self.save(done);
    }

    /// The runs that `on-cancel` cancels.
    pub(super) fn doomed(&self, cancel: OnCancel) -> Vec<u64> {
        let doomed = self.rollout.deployments.iter().filter(|deployment| dooms(cancel, deployment));
        doomed.filter_map(|deployment| Some(deployment.run()?.id)).collect()
    }
}

/// Cancels a run. One that is to be cancelled only while it is not approved is looked at first: what was seen of it
/// may be old. Tells whether it was.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn spare_or_cancel(github: &Github, run: u64, cancel: OnCancel) -> Result<bool, Trouble> {
    if cancel == OnCancel::CancelWaiting {
        let facts = github.run(run).await?;
        if !matches!(facts.status.as_str(), "waiting" | "queued" | "requested" | "pending") {
            return Ok(false);
        }
    }
    github.cancel(run).await.map(|()| true)
}

fn dooms(cancel: OnCancel, deployment: &Deployment) -> bool {
    match cancel {
        OnCancel::Leave => false,
        OnCancel::CancelWaiting => {
            // Behind its gate a run is queued once more: it was approved.
            let approved =
                |phase| phase == Phase::Running || (phase == Phase::Queued && deployment.waiting_since.is_some());
            matches!(&deployment.progress, Progress::Followed(run) if !approved(run.phase))
        }
        OnCancel::CancelAll => deployment.active(),
    }
}
