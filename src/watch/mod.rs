//! Staying alive: one pass is the whole machine, and this repeats it.
//!
//! A pass observes, decides, acts and shows. After the first dispatch no error ends the watch but four: all
//! has ended, the time is up, a signal came, the token is no longer accepted.

mod tell;

use std::time::{Duration, Instant};

use crate::{
    begin::Case,
    cadence,
    context::Origin,
    decide::{self, Decision},
    fresh,
    github::{Dispatched, Github, Patience, Trouble},
    inputs::OnCancel,
    observe::Observer,
    preflight::{Checked, permissions},
    report::{Watcher, annotations, changes},
    rollout::{Deployment, End, Phase, Progress, Rollout, Run, Standing, Status},
    run::Time,
    state::Stage,
    sticky::Holding,
};

/// Dispatches whose intent is written down together. A kill in their midst leaves at most this many to be
/// looked for.
const BATCH: usize = 20;
/// The same where the runs' titles do not show ids, so that nothing could be looked for.
const BATCH_UNSEEN: usize = 1;

/// Why a watch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Every deployment has ended.
    Finished,
    /// One pass was asked for, and made.
    OnePass,
    /// The input `timeout`.
    TimedOut,
    /// A signal.
    Stopped,
    /// Another process took the rollout over, and goes on with it.
    Overtaken,
    /// Nothing more may be dispatched, and what was has ended. Why.
    Barred(String),
    /// The token is no longer accepted, or something else that no later pass can mend.
    Broken(String),
}

/// One rollout, followed.
#[derive(Debug)]
pub struct Watch<'a> {
    /// The job, its pull request and its comment.
    pub case: Case<'a>,
    /// The rollout.
    pub rollout: Rollout,
    /// The use of the action that began it.
    pub origin: Origin,
    /// The workflows as preflight read them, and what it warned of.
    pub checked: Checked,
    /// What was last seen.
    pub observer: Observer,
    /// Statuses at the end of the last pass, to log changes.
    pub logged: Vec<Status>,
    /// Why nothing more may be dispatched: what is under way is still followed to its end.
    pub barred: Option<String>,
    /// The rollout was taken, and its state may be older than what was dispatched: people restore a comment's earlier
    /// text or delete it, and two processes may take at one moment. Runs it
    /// does not know of were looked for, as is done before anything is dispatched.
    pub searched: bool,
    /// When the rollout was taken, until something is sent.
    pub taken: Option<Instant>,
    /// The comment was gone: the one that is written now must be looked at before anything is sent.
    pub rewritten: bool,
    /// Another process took the rollout over.
    pub overtaken: bool,
    /// The last warning, so that it is said once.
    pub warned: Option<String>,
}

/// What one pass came to.
#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    /// Something is not as it was.
    changed: bool,
    /// Every deployment has ended.
    finished: bool,
    /// More is to be dispatched at once.
    more: bool,
}

impl Watch<'_> {
    /// Repeats the pass until an end.
    pub async fn run(&mut self) -> Ended {
        let mut idle = 0;
        loop {
            let counted = self.case.github.counted();
            let (passed, trouble) = match self.pass().await {
                Ok(passed) => (passed, None),
                Err(trouble) => (Passed::default(), Some(trouble)),
            };
            if self.overtaken {
                return Ended::Overtaken;
            }
            match trouble {
                Some(Trouble::Stopped) => return Ended::Stopped,
                Some(Trouble::OutOfTime { last }) => {
                    if let Some(last) = last {
                        tracing::warn!("the time ran out while GitHub did not answer: {last}");
                    }
                    return Ended::TimedOut;
                }
                Some(trouble @ Trouble::Unauthorized(_)) => return Ended::Broken(trouble.to_string()),
                Some(trouble) if !self.case.job.inputs.wait => return Ended::Broken(trouble.to_string()),
                Some(trouble) => self.warn_once(format!("{trouble}; looking again")),
                None if passed.finished => return Ended::Finished,
                None => {}
            }
            if let Some(why) = self.barred.clone().filter(|_| !self.rollout.deployments.iter().any(Deployment::active))
            {
                return Ended::Barred(why);
            }
            if !self.case.job.inputs.wait {
                return Ended::OnePass;
            }
            idle = if passed.changed { 0 } else { idle + 1 };
            if passed.more {
                // There is more to dispatch, and the runs were not looked at for a while.
                continue;
            }
            let interval = self.interval(idle, self.case.github.counted() - counted);
            match self.case.job.patience.pause(interval, None).await {
                Ok(()) => {}
                Err(Trouble::Stopped) => return Ended::Stopped,
                Err(_) => return Ended::TimedOut,
            }
        }
    }

    /// Observe, decide, act, show. A pass dispatches until the next look is due, or the hour has no more room.
    async fn pass(&mut self) -> Result<Passed, Trouble> {
        let began = Instant::now();
        let told: Vec<_> =
            self.rollout.deployments.iter().map(|deployment| self.checked.told(&self.rollout, deployment)).collect();
        let now = self.case.github.now();
        let wait = self.case.job.inputs.wait;
        let mut acted = false;
        let changed = self.observer.look(&self.case.github, &mut self.rollout, &told, now).await?;
        loop {
            let standings = self.rollout.standings();
            self.log(&standings);
            let Decision { mut dispatch, finished } =
                decide::decide(&self.rollout, &standings, self.case.job.inputs.max_parallel);
            if self.barred.is_some() {
                dispatch.clear();
            }
            let room = self.case.github.room();
            if !dispatch.is_empty() && room == 0 {
                self.warn_once(
                    "GitHub allows 500 writes in an hour, and those kept for dispatches are used up: the rest is \
                     dispatched as the hour goes on, and runs are followed meanwhile"
                        .to_owned(),
                );
                dispatch.clear();
            }
            let due = acted && wait && began.elapsed() >= self.case.job.inputs.poll_interval;
            if dispatch.is_empty() || due {
                self.show_end_of_pass(finished).await?;
                return Ok(Passed { changed: changed || acted, finished, more: !dispatch.is_empty() });
            }
            acted = true;
            if !self.searched && self.adopt().await? {
                continue;
            }
            dispatch.truncate(room);
            self.act(dispatch).await?;
            if self.overtaken {
                return Ok(Passed::default());
            }
        }
    }

    /// Gives deployments that the state calls undispatched the runs whose titles show their ids. Tells whether
    /// there were any.
    async fn adopt(&mut self) -> Result<bool, Trouble> {
        let (runs, _) = self.observer.titles(&self.case.github, &self.rollout, self.rollout.started_at).await?;
        self.searched = true;
        let adopted = fresh::adopt(&mut self.rollout, &runs);
        if adopted > 0 {
            tracing::warn!(
                "the state is older than what was dispatched: {adopted} runs that it does not know of are adopted"
            );
        }
        Ok(adopted > 0)
    }

    /// A comment that GitHub refuses must not hide that all has ended, nor end the watch.
    async fn show_end_of_pass(&mut self, finished: bool) -> Result<(), Trouble> {
        let stage = if finished { Stage::Finished } else { Stage::Live };
        let watcher = if self.case.job.inputs.wait { Watcher::Here } else { Watcher::Later };
        if stage == Stage::Live && watcher == Watcher::Here && !self.case.github.spares_an_edit() {
            self.tell_outputs();
            return Ok(());
        }
        match self.show(stage, &watcher).await {
            Err(trouble @ (Trouble::Forbidden { .. } | Trouble::NotFound { .. } | Trouble::Refused { .. })) => {
                self.warn_once(format!("the comment could not be brought up to date: {trouble}"));
                Ok(())
            }
            other => other,
        }
    }

    fn warn_once(&mut self, text: String) {
        if self.warned.as_ref() != Some(&text) {
            tracing::warn!("{text}");
            self.warned = Some(text);
        }
    }

    /// Dispatches some of what is ready: the intent is written down first, the outcome after.
    async fn act(&mut self, mut ready: Vec<usize>) -> Result<(), Trouble> {
        let shown = |index: &usize| {
            self.rollout.deployments.get(*index).is_some_and(|one| self.checked.shows_id(&self.rollout, one))
        };
        let seen = ready.iter().all(shown);
        // Who has just taken the rollout has just looked.
        let just_taken = self.taken.take().is_some_and(|taken| taken.elapsed() < self.case.job.tempo.settle);
        if !just_taken && !self.still_holds().await? {
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
    async fn still_holds(&mut self) -> Result<bool, Trouble> {
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

    /// Ends a watch by which nothing more may be dispatched. Where nothing was dispatched at all, the rollout
    /// has not begun: the next run plans it afresh.
    pub async fn refuse(&mut self) -> Result<(), Trouble> {
        let untouched = |deployment: &Deployment| deployment.progress == Progress::Planned && deployment.tries == 1;
        let begun = !self.rollout.deployments.iter().all(untouched);
        let stage = if begun { Stage::Live } else { Stage::Refused };
        self.summarise(stage, &Watcher::Later);
        self.show(stage, &Watcher::Later).await
    }

    fn set(&mut self, index: usize, progress: Progress) {
        if let Some(deployment) = self.rollout.deployments.get_mut(index) {
            deployment.progress = progress;
        }
    }

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

    /// The time to the next look. It is said when the budget makes it longer than asked.
    fn interval(&mut self, idle: u32, cost: u64) -> Duration {
        let base = self.case.job.inputs.poll_interval;
        let budget = self.case.github.budget();
        let interval = cadence::interval(base, idle, cost, &budget);
        if interval > base * cadence::STRETCH {
            let left = budget.remaining.unwrap_or_default();
            self.warn_once(format!(
                "slowing down: {left} requests are left in this hour for the whole repository, so some are left to others"
            ));
        }
        interval
    }

    /// One line for each deployment that changed.
    fn log(&mut self, standings: &[Standing]) {
        let now = self.case.github.now();
        changes::log(&changes::since(&self.rollout, standings, &self.logged, now, &self.runs_url()));
        self.logged = standings.iter().map(|standing| standing.status).collect();
    }

    /// Annotates the run with what ended badly.
    pub fn annotate(&self) {
        annotations::ends(&self.rollout, &self.runs_url());
    }

    fn runs_url(&self) -> String {
        let context = &self.case.job.context;
        format!("{}/{}/actions/runs", context.server_url, context.repository)
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
