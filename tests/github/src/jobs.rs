//! How a job goes its way: needs, condition, concurrency, runner, end.

use serde_json::json;

use crate::clock::{Millis, millis};
use crate::expression;
use crate::life::What;
use crate::run::{Job, Phase, Run};
use crate::script;
use crate::workflow::{Concurrency, JobSpec};
use crate::world::World;

/// A run can end in more ways than a job can.
const JOB_CONCLUSIONS: [&str; 7] =
    ["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"];

impl World {
    pub(crate) fn is_ready(&self, run: &Run, job: &Job) -> bool {
        let done = |key: &String| run.jobs.iter().filter(|j| j.spec.answers(key)).all(|j| j.phase == Phase::Done);
        job.phase == Phase::Blocked && job.spec.needs.iter().all(done)
    }

    /// A job whose needs have finished: skipped, or into its concurrency group.
    pub(crate) fn admit(&mut self, id: u64, index: usize, at: Millis) {
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
        let claim = self.claim_of(id, Some(index));
        let concurrency =
            job.spec.concurrency.clone().map(|c| Concurrency { group: expression::fill(&c.group, &context), ..c });
        self.run_mut(id).jobs[index].phase = Phase::Pending;
        if concurrency.is_none_or(|wanted| self.claim(&wanted, claim, at)) {
            self.approach(id, index, at);
        }
    }

    pub(crate) fn queue_job(&mut self, id: u64, index: usize, at: Millis) {
        let run = self.run_mut(id);
        run.updated = at;
        run.jobs[index].phase = Phase::Queued;
        let starts = at + self.queued_for(id);
        self.schedule(id, starts, What::JobStarts(index));
    }

    pub(crate) fn start_job(&mut self, id: u64, index: usize, at: Millis) {
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

    pub(crate) fn finish_job(&mut self, id: u64, index: usize, at: Millis) {
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
            return self.break_job(id, index, &step, at);
        }
        let conclusion = plan.concludes.unwrap_or_else(|| "success".to_owned());
        if conclusion != "success" {
            self.run_mut(id).verdict = Some(conclusion.clone());
        }
        let word = JOB_CONCLUSIONS.iter().find(|word| **word == conclusion).unwrap_or(&"failure");
        self.end_job(id, index, word, at);
    }

    /// A failure in the middle of a job, at a step.
    pub(crate) fn break_job(&mut self, id: u64, index: usize, step: &str, at: Millis) {
        let job = &mut self.run_mut(id).jobs[index];
        job.started.get_or_insert(at);
        job.failed_step = Some(step.to_owned());
        self.end_job(id, index, "failure", at);
    }

    /// A job is over, and others may go on.
    pub(crate) fn end_job(&mut self, id: u64, index: usize, conclusion: &str, at: Millis) {
        self.end_job_quietly(id, index, conclusion, at);
        self.release(self.claim_of(id, Some(index)), at);
        self.settle(id, at);
    }

    pub(crate) fn end_job_quietly(&mut self, id: u64, index: usize, conclusion: &str, at: Millis) {
        let run = self.run_mut(id);
        run.updated = at;
        let job = &mut run.jobs[index];
        job.phase = Phase::Done;
        job.conclusion = Some(conclusion.to_owned());
        job.completed = Some(at);
    }

    pub(crate) fn create_jobs(&mut self, id: u64, at: Millis) {
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
    pub(crate) fn job_context(&self, job: &Job) -> serde_json::Value {
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
