//! Staying alive: one pass is the whole machine, and this repeats it.
//!
//! A pass observes, decides, acts and shows. After the first dispatch no error ends the watch but four: all
//! has ended, the time is up, a signal came, the token is no longer accepted.

mod act;
mod leave;
mod tell;

pub use self::leave::{Cancelled, Doomed, cancel_all};

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    begin::Case,
    cadence,
    context::Origin,
    decide::{self, Decision},
    fresh,
    github::{Github, Patience, Trouble},
    observe::Observer,
    ordered::Ordered,
    preflight::Checked,
    report::{Watcher, annotations, changes},
    rollout::{Deployment, Progress, Rollout, Standing, Status},
    state::Stage,
    sticky::Sticky,
};

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
            if !self.case.job.inputs.wait && !self.observer.is_unsure() {
                return Ended::OnePass;
            }
            idle = if passed.changed { 0 } else { idle + 1 };
            if passed.more {
                // There is more to dispatch, and the runs were not looked at for a while.
                continue;
            }
            let interval = self.interval(idle);
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
            let room = self.room(!dispatch.is_empty());
            if room == 0 {
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

    /// How many may be dispatched now. Where that is none though some are `wanted`, it is said why.
    fn room(&mut self, wanted: bool) -> usize {
        let paced = self.case.github.room();
        let left = self.case.github.budget().spare(cadence::RESERVE);
        if wanted && paced == 0 {
            self.warn_once(
                "GitHub allows 500 writes in an hour, and those kept for dispatches are used up: the rest is \
                 dispatched as the hour goes on, and runs are followed meanwhile"
                    .to_owned(),
            );
        } else if wanted && left == 0 {
            self.warn_once(format!(
                "no more than {} requests are left in this hour for the whole repository: the rest is dispatched when \
                 it is over",
                cadence::RESERVE
            ));
        }
        paced.min(left)
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

    /// A comment that GitHub refuses, or does not take for minutes, must not hide that all has ended, nor end the watch.
    async fn show_end_of_pass(&mut self, finished: bool) -> Result<(), Trouble> {
        let stage = if finished { Stage::Finished } else { Stage::Live };
        let watcher = if self.case.job.inputs.wait { Watcher::Here } else { Watcher::Later };
        if stage == Stage::Live && watcher == Watcher::Here && !self.case.github.spares_an_edit() {
            self.tell_outputs();
            return Ok(());
        }
        let patience = self.case.job.patience.within(self.case.job.tempo.one_edit);
        self.write_by(&self.case.github.with_patience(patience.clone()));
        let shown = self.show_until_sure(stage, &watcher, &patience).await;
        self.write_by(&self.case.github.clone());
        match shown {
            Err(Trouble::OutOfTime { last }) if finished || self.case.job.patience.check(None).is_ok() => {
                let last = last.unwrap_or_else(|| "GitHub did not answer in time".to_owned());
                self.warn_once(format!("the comment could not be brought up to date: {last}"));
                Ok(())
            }
            Err(trouble @ (Trouble::Forbidden { .. } | Trouble::NotFound { .. } | Trouble::Refused { .. })) => {
                self.warn_once(format!("the comment could not be brought up to date: {trouble}"));
                Ok(())
            }
            other => other,
        }
    }

    /// Shows, and where nobody would show again, sees to it that no late write is the last word.
    async fn show_until_sure(&mut self, stage: Stage, watcher: &Watcher, patience: &Patience) -> Result<(), Trouble> {
        let last = stage == Stage::Finished || *watcher == Watcher::Later;
        loop {
            // What was not answered has taken effect by now, or never will.
            if self.doubtful() == Some(Duration::ZERO) && !self.still_holds().await? {
                return Ok(());
            }
            self.show(stage, watcher).await?;
            let Some(late) = self.doubtful().filter(|_| last && !self.overtaken) else {
                return Ok(());
            };
            if patience.pause(late, None).await.is_err() {
                return Ok(());
            }
        }
    }

    fn doubtful(&self) -> Option<Duration> {
        self.case.sticky.as_ref().and_then(Sticky::doubtful)
    }

    /// Has the comment written with another patience.
    fn write_by(&mut self, github: &Github) {
        if let Some(sticky) = &mut self.case.sticky {
            sticky.set_github(github);
        }
    }

    fn warn_once(&mut self, text: String) {
        if self.warned.as_ref() != Some(&text) {
            tracing::warn!("{text}");
            self.warned = Some(text);
        }
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

    /// The time to the next look. It is said when the budget makes it longer than asked.
    fn interval(&mut self, idle: u32) -> Duration {
        // What a look costs that finds something: the lists that changed, what holds a run back, who decided, and
        // the comment.
        let lists = self.rollout.deployments.iter().filter(|deployment| deployment.active());
        let lists: BTreeSet<&str> = lists.map(|deployment| deployment.planned.workflow.as_str()).ordered();
        let cost = lists.len() as u64 + 3;
        let base = self.case.job.inputs.poll_interval;
        let budget = self.case.github.budget();
        let interval = cadence::interval(base, idle, cost, &budget);
        if interval > base.saturating_mul(cadence::STRETCH) {
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
