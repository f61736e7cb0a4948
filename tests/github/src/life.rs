//! How runs move: everything that is due happens in the order of time, whenever somebody looks.

use crate::clock::{Millis, millis};
use crate::concurrency::Claim;
use crate::run::{Phase, Run, Stage};
use crate::script::{self, ScriptedReview};
use crate::workflow::Concurrency;
use crate::world::World;

/// Something that will happen to one attempt of a run, unless it is over by then.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    run: u64,
    attempt: u32,
    what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Begin,
    JobStarts(usize),
    JobEnds(usize),
    TimerEnds(usize),
    GateExpires(usize),
    Review(ScriptedReview),
    Cancelled,
}

impl World {
    /// Lets everything happen that is due by now.
    pub fn advance(&mut self) {
        let now = self.now();
        while let Some(entry) = self.agenda.first_entry().filter(|e| e.key().0 <= now) {
            let ((at, _), event) = entry.remove_entry();
            let alive =
                self.runs.get(&event.run).is_some_and(|run| run.attempt == event.attempt && run.conclusion().is_none());
            if alive {
                self.happen(event, at);
            }
        }
    }

    fn happen(&mut self, Event { run, what, .. }: Event, at: Millis) {
        match what {
            What::Begin => self.begin(run, at),
            What::JobStarts(job) => self.start_job(run, job, at),
            What::JobEnds(job) => self.finish_job(run, job, at),
            What::TimerEnds(job) => self.end_timer(run, job, at),
            What::GateExpires(job) => self.expire(run, job, at),
            What::Review(review) => self.scripted_review(run, &review, at),
            What::Cancelled => self.end_run(run, "cancelled", at),
        }
    }

    pub(crate) fn schedule(&mut self, run: u64, at: Millis, what: What) {
        let attempt = self.runs[&run].attempt;
        self.events += 1;
        self.agenda.insert((at, self.events), Event { run, attempt, what });
    }

    pub(crate) fn run_mut(&mut self, run: u64) -> &mut Run {
        self.runs.get_mut(&run).expect("a run that was just looked at")
    }

    pub(crate) fn queued_for(&self, run: u64) -> Millis {
        let plan = script::plan(&self.script, &self.runs[&run]);
        millis(plan.queued_for.unwrap_or(self.pace.queued))
    }

    /// Puts a new attempt at the beginning of its life.
    pub(crate) fn enqueue(&mut self, run: u64, at: Millis) {
        let begins = at + self.queued_for(run);
        self.schedule(run, begins, What::Begin);
    }

    fn begin(&mut self, id: u64, at: Millis) {
        let run = &self.runs[&id];
        let claim = self.claim_of(id, None);
        if script::plan(&self.script, run).concludes.as_deref() == Some("startup_failure") {
            return self.end_run(id, "startup_failure", at);
        }
        let free = match run.concurrency.clone() {
            Some(wanted) if run.stage == Stage::Queued => self.claim(&wanted, claim, at),
            _ => true,
        };
        let run = self.run_mut(id);
        run.updated = at;
        if !free {
            run.stage = Stage::Pending;
            return;
        }
        run.stage = Stage::Begun;
        self.create_jobs(id, at);
        if self.runs[&id].jobs.is_empty() {
            return self.end_run(id, "startup_failure", at);
        }
        self.settle(id, at);
    }

    pub(crate) fn claim_of(&self, run: u64, job: Option<usize>) -> Claim {
        let attempt = self.runs[&run].attempt;
        Claim { run, attempt, job }
    }

    /// Takes a concurrency group, and cancels those who lose their place in it.
    pub(crate) fn claim(&mut self, wanted: &Concurrency, claim: Claim, at: Millis) -> bool {
        let claimed = self.groups.claim(wanted, claim);
        for loser in claimed.cancelled {
            match loser.job {
                None => self.end_run(loser.run, "cancelled", at),
                Some(job) => self.end_job(loser.run, job, "cancelled", at),
            }
        }
        claimed.held
    }

    pub(crate) fn release(&mut self, claim: Claim, at: Millis) {
        for next in self.groups.release(claim) {
            match next.job {
                None => self.begin(next.run, at),
                Some(job) => self.approach(next.run, job, at),
            }
        }
    }

    /// Looks which jobs may go on, again and again until none does, and whether the run has ended.
    pub(crate) fn settle(&mut self, id: u64, at: Millis) {
        while let Some(job) = self.runs[&id].jobs.iter().position(|job| self.is_ready(&self.runs[&id], job)) {
            self.admit(id, job, at);
        }
        let run = &self.runs[&id];
        if run.conclusion().is_some() {
            let claim = self.claim_of(id, None);
            self.release(claim, at);
        }
    }

    /// Ends a whole run at once, whatever its jobs were doing.
    pub(crate) fn end_run(&mut self, id: u64, conclusion: &str, at: Millis) {
        let job_end = if conclusion == "cancelled" { "cancelled" } else { "failure" };
        self.run_mut(id).verdict = Some(conclusion.to_owned());
        self.run_mut(id).updated = at;
        for index in 0..self.runs[&id].jobs.len() {
            if self.runs[&id].jobs[index].phase != Phase::Done {
                self.end_job_quietly(id, index, job_end, at);
            }
        }
        for job in (0..self.runs[&id].jobs.len()).map(Some).chain([None]) {
            self.release(self.claim_of(id, job), at);
        }
    }

    /// Asks for a cancellation; it takes a moment.
    pub(crate) fn ask_to_cancel(&mut self, id: u64, at: Millis) {
        let ends = at + millis(self.pace.cancels);
        self.schedule(id, ends, What::Cancelled);
    }
}
