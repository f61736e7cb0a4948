//! Acting: the one place that deploys. The intent is written down, the request sent, the outcome taken down.

use super::Watch;
use crate::{
    github::{Dispatched, Trouble},
    preflight::permissions,
    report::{Watcher, annotations},
    rollout::{Deployment, End, Phase, Progress, Run},
    run::Time,
    state::Stage,
    sticky::Holding,
};

/// Dispatches whose intent is written down together. A kill in their midst leaves at most this many to be
/// looked for.
const BATCH: usize = 20;
/// The same where the runs' titles do not show ids, so that nothing could be looked for.
const BATCH_UNSEEN: usize = 1;

impl Watch<'_> {
    /// Dispatches some of what is ready: the intent is written down first, the outcome after.
    pub(super) async fn act(&mut self, mut ready: Vec<usize>) -> Result<(), Trouble> {
        let shown = |index: &usize| {
            self.rollout.deployments.get(*index).is_some_and(|one| self.checked.shows_id(&self.rollout, one))
        };
        let seen = ready.iter().all(shown);
        // Who has just taken the rollout has just looked.
        let just_taken = self.taken.take().is_some_and(|taken| taken.elapsed() < self.case.job.tempo.settle);
        if (self.doubtful().is_some() || !just_taken) && !self.still_holds().await? {
            return Ok(());
        }
        ready.truncate(if seen { BATCH } else { BATCH_UNSEEN });
        let now = self.case.github.now();
        for index in &ready {
            self.set(*index, Progress::Intended { at: now, note: None });
        }
        if let Err(trouble) = self.show(Stage::Live, &Watcher::Here).await {
            // Not written down, so not sent.
            ready.iter().for_each(|index| self.set(*index, Progress::Planned));
            return Err(trouble);
        }
        if self.overtaken || (self.rewritten && !self.still_holds().await?) {
            ready.iter().for_each(|index| self.set(*index, Progress::Planned));
            return Ok(());
        }
        if !self.searched {
            ready.iter().for_each(|index| self.set(*index, Progress::Planned));
            if self.adopt().await? {
                return Ok(());
            }
            ready.iter().for_each(|index| self.set(*index, Progress::Intended { at: now, note: None }));
        }
        for (done, index) in ready.iter().enumerate() {
            let result = self.dispatch(*index).await;
            if result.is_err() || self.barred.is_some() {
                // This one and those behind it were surely not accepted.
                ready.iter().skip(done).for_each(|index| self.set(*index, Progress::Planned));
                return result;
            }
        }
        Ok(())
    }

    /// Only the holder dispatches: looks whether the comment still names this process.
    pub(super) async fn still_holds(&mut self) -> Result<bool, Trouble> {
        let nonce = self.case.hand.nonce.clone();
        let Some(sticky) = &mut self.case.sticky else {
            return Ok(true);
        };
        match sticky.holding(&nonce).await? {
            Holding::Ours => self.rewritten = false,
            Holding::Gone => self.rewritten = true,
            Holding::Others => self.overtaken = true,
        }
        Ok(!self.overtaken)
    }

    /// Sends one dispatch and takes down what came of it.
    async fn dispatch(&mut self, index: usize) -> Result<(), Trouble> {
        let Some(deployment) = self.rollout.deployments.get(index) else {
            return Ok(());
        };
        let planned = &deployment.planned;
        let id = self.rollout.id(deployment);
        let source = (planned.workflow.clone(), planned.git_ref.clone());
        let Some(declared) = self.checked.workflows.get(&source) else {
            let reason = "its workflow was not checked, so it was not dispatched".to_owned();
            self.set(index, failed(reason, self.case.github.now()));
            return Ok(());
        };
        let inputs = declared.filled(&planned.inputs, &self.rollout.subject.merge_commit, &id);
        let shows = declared.shows(&inputs, &id);
        let outcome = self.case.github.dispatch(&planned.workflow, &planned.git_ref, &inputs).await;
        let at = self.case.github.now();
        let taken = |id: &u64| self.rollout.deployments.iter().filter_map(Deployment::run).any(|run| run.id == *id);
        let progress = match outcome {
            Dispatched::Run(id) if taken(&id) => {
                Progress::Intended { at, note: Some(format!("GitHub named run {id}, which is another deployment's")) }
            }
            Dispatched::Run(id) => {
                if let Some(deployment) = self.rollout.deployments.get_mut(index) {
                    deployment.started_at = Some(at);
                }
                Progress::Followed(Run { id, attempt: 1, phase: Phase::Queued })
            }
            Dispatched::Unnamed if shows => {
                Progress::Intended { at, note: Some("accepted; its run is looked for".to_owned()) }
            }
            Dispatched::Unnamed => Progress::Intended {
                at,
                note: Some("accepted by a server that names no run, and the title of its runs shows no id".to_owned()),
            },
            Dispatched::Unknown(why) => Progress::Intended { at, note: Some(why) },
            Dispatched::Refused(why) => failed(format!("the dispatch was refused: {why}"), at),
            Dispatched::Forbidden(trouble) => {
                self.bar(&trouble);
                return Ok(());
            }
            Dispatched::Unsent(trouble) => return Err(trouble),
        };
        self.set(index, progress);
        Ok(())
    }

    /// The token may not dispatch, and every other dispatch would be refused too: nothing is marked failed, and
    /// nothing more is sent. It is told as preflight would have told it.
    fn bar(&mut self, trouble: &Trouble) {
        if let Some(mut finding) = permissions::finding(trouble) {
            let number = self.rollout.subject.pull_request;
            finding.remedy.push_str(&format!(
                ". Then run this workflow by `workflow_dispatch` with `pull-request: {number}`, which dispatches what was not"
            ));
            let unsent = self.rollout.deployments.iter().filter(|deployment| unsent(deployment));
            let finding = finding.concerning(unsent.map(|deployment| deployment.planned.name()));
            annotations::show(std::slice::from_ref(&finding));
            self.checked.findings.insert(0, finding);
        }
        self.barred = Some(trouble.to_string());
    }

    fn set(&mut self, index: usize, progress: Progress) {
        if let Some(deployment) = self.rollout.deployments.get_mut(index) {
            deployment.progress = progress;
        }
    }
}

/// Whether it was to be dispatched, and was not.
fn unsent(deployment: &Deployment) -> bool {
    deployment.planned.skip.is_none()
        && matches!(deployment.progress, Progress::Planned | Progress::Intended { note: None, .. })
}

fn failed(reason: String, at: Time) -> Progress {
    Progress::Ended { end: End::Failed, reason: Some(reason), at, run: None, job: None }
}
