//! Environments in front of jobs: gates open, people decide, timers end.

use std::time::Duration;

use crate::clock::{Millis, millis};
use crate::environment::Environment;
use crate::expression;
use crate::life::What;
use crate::run::{Gate, Job, Phase, Review, ReviewState};
use crate::script::{self, ScriptedReview};
use crate::world::World;

/// A gate that nobody answers fails its job after 30 days.
const GATE_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl World {
    /// A job comes to its environment.
    pub(crate) fn approach(&mut self, id: u64, index: usize, at: Millis) {
        let run = &self.runs[&id];
        let job = &run.jobs[index];
        let text = job.spec.environment.clone().unwrap_or_default();
        let name = expression::fill(&text, &run.job_context(job));
        let branch = run.branch.clone();
        if name.is_empty() {
            return self.queue_job(id, index, at);
        }
        let environment = self.environment_or_new(&name, at);
        if !environment.admits(&branch, &self.repository.default_branch) {
            return self.end_job(id, index, "failure", at);
        }
        if !environment.holds_jobs() {
            return self.queue_job(id, index, at);
        }
        self.open_gate(id, index, &environment, at);
    }

    pub(crate) fn open_gate(&mut self, id: u64, index: usize, environment: &Environment, at: Millis) {
        let minutes = self.pace.minute * environment.wait_timer;
        let timer = (environment.wait_timer > 0).then(|| at + millis(minutes));
        let gate = Gate {
            environment: environment.name.clone(),
            opened: at,
            needs_review: !environment.reviewers.is_empty(),
            timer_ends: timer,
            custom_rules: environment.custom_rules.clone(),
        };
        let run = self.run_mut(id);
        run.updated = at;
        run.jobs[index].phase = Phase::Waiting;
        run.jobs[index].gate = Some(gate);
        let reviews = script::plan(&self.script, &self.runs[&id]).reviews;
        for review in reviews {
            if review.environment.as_ref().is_none_or(|e| *e == environment.name) {
                self.schedule(id, at + millis(review.after), What::Review(review));
            }
        }
        if let Some(ends) = timer {
            self.schedule(id, ends, What::TimerEnds(index));
        }
        self.schedule(id, at + millis(GATE_LIFE), What::GateExpires(index));
    }

    pub(crate) fn end_timer(&mut self, id: u64, index: usize, at: Millis) {
        if let Some(gate) = &mut self.run_mut(id).jobs[index].gate {
            gate.timer_ends = None;
        }
        self.pass_gates(id, at);
    }

    /// Nobody answered at a gate.
    pub(crate) fn expire(&mut self, id: u64, index: usize, at: Millis) {
        if self.runs[&id].jobs[index].phase == Phase::Waiting {
            self.end_job(id, index, "failure", at);
        }
    }

    /// Every waiting job whose rules are all satisfied goes on.
    pub(crate) fn pass_gates(&mut self, id: u64, at: Millis) {
        let open = |job: &Job| job.phase == Phase::Waiting && job.gate.as_ref().is_some_and(Gate::is_open);
        while let Some(index) = self.runs[&id].jobs.iter().position(open) {
            self.queue_job(id, index, at);
        }
    }

    pub(crate) fn scripted_review(&mut self, id: u64, said: &ScriptedReview, at: Millis) {
        let waiting = self.runs[&id].waiting_for();
        let environments: Vec<String> = match &said.environment {
            Some(name) => waiting.iter().filter(|w| *w == name).map(ToString::to_string).collect(),
            None => waiting.iter().map(ToString::to_string).collect(),
        };
        if environments.is_empty() {
            return;
        }
        let (user, comment) = (self.user(&said.user), said.comment.clone());
        self.take_review(id, Review { environments, state: said.state, user, comment }, at);
    }

    /// A decision about all jobs of a run that wait for these environments.
    pub(crate) fn take_review(&mut self, id: u64, review: Review, at: Millis) {
        let run = self.run_mut(id);
        run.updated = at;
        let concerned = |job: &Job| {
            let gate = job.gate.as_ref().filter(|g| g.needs_review && job.phase == Phase::Waiting);
            gate.is_some_and(|gate| review.environments.contains(&gate.environment))
        };
        let jobs: Vec<usize> = (0..run.jobs.len()).filter(|i| concerned(&run.jobs[*i])).collect();
        let rejected = review.state == ReviewState::Rejected;
        run.reviews.push(review);
        for index in jobs {
            if rejected {
                self.end_job(id, index, "failure", at);
            } else if let Some(gate) = &mut self.run_mut(id).jobs[index].gate {
                gate.needs_review = false;
            }
        }
        self.pass_gates(id, at);
    }
}
