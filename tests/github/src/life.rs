//! How runs move: everything that is due happens in the order of time, whenever somebody looks.

use std::time::Duration;

use serde_json::json;

use crate::clock::{Millis, millis};
use crate::concurrency::Claim;
use crate::environment::Environment;
use crate::expression;
use crate::run::{Gate, Job, Phase, Review, ReviewState, Run, Stage};
use crate::script::{self, ScriptedReview};
use crate::workflow::{Concurrency, JobSpec};
use crate::world::World;

/// A gate that nobody answers fails its job after 30 days.
const GATE_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A run can end in more ways than a job can.
const JOB_CONCLUSIONS: [&str; 7] =
    ["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"];

/// Something that will happen to one attempt of a run, unless it is over by then.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    run: u64,
    attempt: u32,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Begin,
    JobStarts(usize),
    JobEnds(usize),
    TimerEnds(usize),
    GateExpires(usize),
    Review(ScriptedReview),
    Cancelled,
}

/// How a job ended.
struct End<'a> {
    conclusion: &'a str,
    step: Option<String>,
}

impl World {
    /// Lets everything happen that is due by now.
    pub fn advance(&mut self) {
        let now = self.now();
        while let Some(entry) = self.agenda.first_entry().filter(|e| e.key().0 <= now) {
            let ((at, _), event) = entry.remove_entry();
            let alive = self.runs.get(&event.run).is_some_and(|run| {
                run.attempt == event.attempt && run.conclusion().is_none()
            });
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

    fn schedule(&mut self, run: u64, at: Millis, what: What) {
        let attempt = self.runs[&run].attempt;
        self.events += 1;
        self.agenda.insert((at, self.events), Event { run, attempt, what });
    }

    fn run_mut(&mut self, run: u64) -> &mut Run {
        self.runs.get_mut(&run).expect("a run that was just looked at")
    }

    fn queued_for(&self, run: u64) -> Millis {
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
        let claim = Claim { run: id, attempt: run.attempt, job: None };
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
        self.settle(id, at);
    }

    /// Takes a concurrency group, and cancels those who lose their place in it.
    fn claim(&mut self, wanted: &Concurrency, claim: Claim, at: Millis) -> bool {
        let claimed = self.groups.claim(wanted, claim);
        for loser in claimed.cancelled {
            match loser.job {
                None => self.end_run(loser.run, "cancelled", at),
                Some(job) => self.end_job(loser.run, job, End { conclusion: "cancelled", step: None }, at),
            }
        }
        claimed.held
    }

    fn release(&mut self, claim: Claim, at: Millis) {
        for next in self.groups.release(claim) {
            match next.job {
                None => self.begin(next.run, at),
                Some(job) => self.approach(next.run, job, at),
            }
        }
    }

    /// Looks which jobs may go on, again and again until none does, and whether the run has ended.
    fn settle(&mut self, id: u64, at: Millis) {
        while let Some(job) = self.runs[&id].jobs.iter().position(|job| self.is_ready(&self.runs[&id], job)) {
            self.admit(id, job, at);
        }
        let run = &self.runs[&id];
        if run.conclusion().is_some() {
            let claim = Claim { run: id, attempt: run.attempt, job: None };
            self.release(claim, at);
        }
    }

    fn is_ready(&self, run: &Run, job: &Job) -> bool {
        let done = |key: &String| run.jobs.iter().filter(|j| j.spec.answers(key)).all(|j| j.phase == Phase::Done);
        job.phase == Phase::Blocked && job.spec.needs.iter().all(done)
    }

    /// A job whose needs have finished: skipped, or into its concurrency group.
    fn admit(&mut self, id: u64, index: usize, at: Millis) {
        let run = &self.runs[&id];
        let job = &run.jobs[index];
        let context = run.job_context(job);
        let condition = job.spec.condition.as_deref().unwrap_or("success()");
        let mut wanted = expression::holds(condition, &context);
        let asks_status = ["success(", "failure(", "always(", "cancelled("].iter().any(|f| condition.contains(f));
        wanted &= asks_status || context["status"]["success"] == true;
        if !wanted {
            return self.end_job_quietly(id, index, "skipped", at);
        }
        let claim = Claim { run: id, attempt: run.attempt, job: Some(index) };
        let concurrency = job.spec.concurrency.clone().map(|c| Concurrency {
            group: expression::fill(&c.group, &context),
            ..c
        });
        self.run_mut(id).jobs[index].phase = Phase::Pending;
        if concurrency.is_none_or(|wanted| self.claim(&wanted, claim, at)) {
            self.approach(id, index, at);
        }
    }

    /// A job comes to its environment.
    fn approach(&mut self, id: u64, index: usize, at: Millis) {
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
            return self.end_job(id, index, End { conclusion: "failure", step: None }, at);
        }
        if !environment.holds_jobs() {
            return self.queue_job(id, index, at);
        }
        self.open_gate(id, index, &environment, at);
    }

    fn open_gate(&mut self, id: u64, index: usize, environment: &Environment, at: Millis) {
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

    fn end_timer(&mut self, id: u64, index: usize, at: Millis) {
        if let Some(gate) = &mut self.run_mut(id).jobs[index].gate {
            gate.timer_ends = None;
        }
        self.pass_gates(id, at);
    }

    /// Nobody answered at a gate.
    pub(crate) fn expire(&mut self, id: u64, index: usize, at: Millis) {
        if self.runs[&id].jobs[index].phase == Phase::Waiting {
            self.end_job(id, index, End { conclusion: "failure", step: None }, at);
        }
    }

    /// Every waiting job whose rules are all satisfied goes on.
    pub(crate) fn pass_gates(&mut self, id: u64, at: Millis) {
        let open = |job: &Job| job.phase == Phase::Waiting && job.gate.as_ref().is_some_and(Gate::is_open);
        while let Some(index) = self.runs[&id].jobs.iter().position(open) {
            self.queue_job(id, index, at);
        }
    }

    fn scripted_review(&mut self, id: u64, said: &ScriptedReview, at: Millis) {
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
                self.end_job(id, index, End { conclusion: "failure", step: None }, at);
            } else if let Some(gate) = &mut self.run_mut(id).jobs[index].gate {
                gate.needs_review = false;
            }
        }
        self.pass_gates(id, at);
    }

    fn queue_job(&mut self, id: u64, index: usize, at: Millis) {
        let run = self.run_mut(id);
        run.updated = at;
        run.jobs[index].phase = Phase::Queued;
        let starts = at + self.queued_for(id);
        self.schedule(id, starts, What::JobStarts(index));
    }

    fn start_job(&mut self, id: u64, index: usize, at: Millis) {
        let plan = script::plan(&self.script, &self.runs[&id]);
        let run = self.run_mut(id);
        if run.jobs[index].phase != Phase::Queued {
            return;
        }
        run.updated = at;
        run.jobs[index].phase = Phase::Running;
        run.jobs[index].started = Some(at);
        let ends = at + millis(plan.takes.unwrap_or(self.pace.takes));
        self.schedule(id, ends, What::JobEnds(index));
    }

    fn finish_job(&mut self, id: u64, index: usize, at: Millis) {
        let run = &self.runs[&id];
        if run.jobs[index].phase != Phase::Running {
            return;
        }
        let plan = script::plan(&self.script, run);
        let has = |job: &Job, step: &String| job.spec.steps.contains(step);
        let here = |step: &String| match run.jobs.iter().position(|job| has(job, step)) {
            Some(job) => job == index,
            None => run.jobs.iter().all(|job| job.id == run.jobs[index].id || job.phase == Phase::Done),
        };
        if let Some(step) = plan.fails.filter(here) {
            return self.end_job(id, index, End { conclusion: "failure", step: Some(step) }, at);
        }
        let conclusion = plan.concludes.unwrap_or_else(|| "success".to_owned());
        if conclusion != "success" {
            self.run_mut(id).verdict = Some(conclusion.clone());
        }
        let word = JOB_CONCLUSIONS.iter().find(|word| **word == conclusion).unwrap_or(&"failure");
        self.end_job(id, index, End { conclusion: word, step: None }, at);
    }

    /// A failure in the middle of a job, at a step.
    pub(crate) fn break_job(&mut self, id: u64, index: usize, step: &str, at: Millis) {
        self.run_mut(id).jobs[index].started.get_or_insert(at);
        self.end_job(id, index, End { conclusion: "failure", step: Some(step.to_owned()) }, at);
    }

    fn end_job(&mut self, id: u64, index: usize, end: End<'_>, at: Millis) {
        self.run_mut(id).jobs[index].failed_step = end.step;
        self.end_job_quietly(id, index, end.conclusion, at);
        let attempt = self.runs[&id].attempt;
        self.release(Claim { run: id, attempt, job: Some(index) }, at);
        self.settle(id, at);
    }

    fn end_job_quietly(&mut self, id: u64, index: usize, conclusion: &str, at: Millis) {
        let run = self.run_mut(id);
        run.updated = at;
        let job = &mut run.jobs[index];
        job.phase = Phase::Done;
        job.conclusion = Some(conclusion.to_owned());
        job.completed = Some(at);
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
        let attempt = self.runs[&id].attempt;
        for job in (0..self.runs[&id].jobs.len()).map(Some).chain([None]) {
            self.release(Claim { run: id, attempt, job }, at);
        }
    }

    /// Asks for a cancellation; it takes a moment.
    pub(crate) fn ask_to_cancel(&mut self, id: u64, at: Millis) {
        let ends = at + millis(self.pace.cancels);
        self.schedule(id, ends, What::Cancelled);
    }

    fn create_jobs(&mut self, id: u64, at: Millis) {
        let specs = self.job_specs(&self.runs[&id]);
        let jobs = specs.into_iter().map(|spec| Job::created(self.next_id(), spec, at)).collect();
        let run = self.run_mut(id);
        let kept = std::mem::take(&mut run.jobs);
        run.jobs = jobs;
        for job in &mut run.jobs {
            job.name = expression::fill(&job.name, &run.context);
            if let Some(old) = kept.iter().find(|old| old.spec.key == job.spec.key) {
                *job = Job { id: job.id, ..old.clone() };
            }
        }
    }
}

impl Job {
    fn created(id: u64, spec: JobSpec, at: Millis) -> Job {
        Job {
            id,
            name: spec.name.clone().unwrap_or_else(|| spec.key.clone()),
            spec,
            phase: Phase::Blocked,
            conclusion: None,
            gate: None,
            created: at,
            started: None,
            completed: None,
            failed_step: None,
        }
    }
}

impl Run {
    /// What a job's expressions can see.
    fn job_context(&self, job: &Job) -> serde_json::Value {
        let mut context = self.context.clone();
        let needed = |j: &&Job| job.spec.needs.iter().any(|need| j.spec.answers(need));
        let needs: Vec<&Job> = self.jobs.iter().filter(needed).collect();
        let ended = |word: &str| needs.iter().any(|j| j.conclusion.as_deref() == Some(word));
        let results = needs.iter().map(|j| (j.spec.key.clone(), json!({"result": j.conclusion})));
        context["needs"] = results.collect::<serde_json::Map<_, _>>().into();
        let success = needs.iter().all(|j| j.conclusion.as_deref() == Some("success"));
        context["status"] = json!({
            "success": success, "failure": ended("failure"), "cancelled": self.verdict.as_deref() == Some("cancelled"),
        });
        context
    }
}
