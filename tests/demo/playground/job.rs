//! The job on its runner: its two steps, the signals of a cancellation, and attempts.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::runner::{Runner, Running, Step};

/// What the runner sends to a step of a cancelled job, and when.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation>
const SIGNALS: [(Duration, &str); 3] =
    [(Duration::ZERO, "INT"), (Duration::from_millis(7_500), "TERM"), (Duration::from_millis(10_000), "KILL")];

/// A job with one step, the action, and its post step.
pub struct Job {
    pub runner: Runner,
    program: PathBuf,
    api_url: String,
    at_work: Option<(Step, Running)>,
    cancelled: Option<Cancelled>,
    /// What became of it so far, in a sentence.
    tells: String,
}

struct Cancelled {
    since: Instant,
    /// Signals that were sent.
    sent: usize,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    Cancelling,
    Post,
    Over,
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Post => "post",
            Self::Over => "over",
        }
    }
}

impl Job {
    /// Starts the first attempt.
    pub fn start(runner: Runner, program: PathBuf, api_url: String) -> Result<Self, String> {
        let mut job = Self { runner, program, api_url, at_work: None, cancelled: None, tells: String::new() };
        job.step(Step::Main, "The action runs.")?;
        Ok(job)
    }

    fn step(&mut self, step: Step, tells: &str) -> Result<(), String> {
        let name = if step == Step::Main { "the action" } else { "its post step" };
        self.runner.note(&format!("── attempt {}: {name}", self.runner.attempt))?;
        let running = self.runner.start(&self.program, &self.api_url, step)?;
        self.at_work = Some((step, running));
        tells.clone_into(&mut self.tells);
        Ok(())
    }

    pub fn phase(&self) -> Phase {
        match (&self.at_work, &self.cancelled) {
            (None, _) => Phase::Over,
            (Some((Step::Post, _)), _) => Phase::Post,
            (Some((Step::Main, _)), Some(_)) => Phase::Cancelling,
            (Some((Step::Main, _)), None) => Phase::Running,
        }
    }

    pub fn tells(&self) -> &str {
        &self.tells
    }

    /// Goes on: the next signal of a cancellation, the post step after the step, the end.
    pub fn tick(&mut self) -> Result<(), String> {
        let Some((step, running)) = &mut self.at_work else { return Ok(()) };
        let Some(ended) = running.ended()? else {
            self.escalate();
            return Ok(());
        };
        let step = *step;
        self.at_work = None;
        match step {
            Step::Main => {
                let cancelled = if self.cancelled.take().is_some() { "The job was cancelled. " } else { "" };
                let tells = format!("{cancelled}The action ended after {} s ({}).", ended.after.as_secs(), ended.how);
                self.step(Step::Post, &tells)
            }
            Step::Post => Ok(()),
        }
    }

    fn escalate(&mut self) {
        let (Some((Step::Main, running)), Some(cancelled)) = (&self.at_work, &mut self.cancelled) else { return };
        let due = SIGNALS.get(cancelled.sent).filter(|(after, _)| cancelled.since.elapsed() >= *after);
        if let Some((_, signal)) = due {
            running.signal(signal);
            cancelled.sent += 1;
            self.tells = format!("Somebody cancelled the job: SIG{signal} was sent.");
        }
    }

    /// Somebody cancels the workflow run.
    pub fn cancel(&mut self) -> Result<(), String> {
        if self.phase() != Phase::Running {
            return Err("the action does not run".to_owned());
        }
        self.cancelled = Some(Cancelled { since: Instant::now(), sent: 0 });
        self.escalate();
        Ok(())
    }

    /// The action is killed, by the kernel for want of memory, say; the runner lives and runs the post step.
    pub fn kill_step(&mut self) -> Result<(), String> {
        match &mut self.at_work {
            Some((Step::Main, running)) => {
                running.kill();
                Ok(())
            }
            _ => Err("the action does not run".to_owned()),
        }
    }

    /// The whole machine is gone, and nothing runs after that.
    pub fn kill_runner(&mut self) -> Result<(), String> {
        if self.at_work.take().is_none() {
            return Err("nothing runs on the runner".to_owned());
        }
        self.cancelled = None;
        "The runner is gone, with all that ran on it; no post step follows.".clone_into(&mut self.tells);
        Ok(())
    }

    /// Somebody re-runs the job.
    pub fn rerun(&mut self) -> Result<(), String> {
        if self.phase() != Phase::Over {
            return Err("the job has not ended yet".to_owned());
        }
        self.runner.next_attempt()?;
        self.step(Step::Main, "The action runs.")
    }

    /// Ends whatever runs, and takes its files away.
    pub fn end(&mut self) {
        self.at_work = None;
        self.runner.clean();
    }
}
