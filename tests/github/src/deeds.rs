//! What people do to runs, at once. What they will do later is a rule: see [`World::when`].

use std::time::Duration;

use crate::people::Reviewer;
use crate::run::{Phase, Review, ReviewState, Run, Stage};
use crate::world::World;

impl World {
    /// A reviewer approves what a run is waiting for at an environment.
    pub fn approve(&mut self, run: u64, environment: &str, user: &str, comment: &str) -> Result<(), String> {
        self.decide(run, environment, user, comment, ReviewState::Approved)
    }

    /// A reviewer rejects it.
    pub fn reject(&mut self, run: u64, environment: &str, user: &str, comment: &str) -> Result<(), String> {
        self.decide(run, environment, user, comment, ReviewState::Rejected)
    }

    fn decide(
        &mut self,
        run: u64,
        environment: &str,
        user: &str,
        comment: &str,
        state: ReviewState,
    ) -> Result<(), String> {
        self.advance();
        let found = self.runs.get(&run).ok_or_else(|| format!("there is no run {run}"))?;
        if !found.waiting_for().contains(&environment) {
            return Err(format!("run {run} does not wait for {environment}: it is {}", found.status()));
        }
        let rules = self.find_environment(environment).ok_or("the environment is gone")?;
        let by_name = |r: &Reviewer| matches!(r, Reviewer::User(u) if u.login == user);
        let by_team = |r: &Reviewer| matches!(r, Reviewer::Team(_));
        if !rules.reviewers.iter().any(|r| by_name(r) || by_team(r)) {
            return Err(format!("{user} is no reviewer of {environment}"));
        }
        if rules.prevent_self_review && found.triggering_actor.login == user {
            return Err(format!("{user} triggered the run: {environment} prevents self-review"));
        }
        let (user, environments) = (self.user(user), vec![environment.to_owned()]);
        let at = self.now();
        self.take_review(run, Review { environments, state, user, comment: comment.to_owned() }, at);
        Ok(())
    }

    /// Wait timers and custom rules of a run's gates at an environment pass now.
    pub fn pass_other_rules(&mut self, run: u64, environment: &str) {
        self.advance();
        let at = self.now();
        let jobs = self.runs.get_mut(&run).into_iter().flat_map(|run| &mut run.jobs);
        for gate in jobs.filter_map(|job| job.gate.as_mut()).filter(|gate| gate.environment == environment) {
            gate.timer_ends = None;
            gate.custom_rules.clear();
        }
        self.pass_gates(run, at);
    }

    /// Somebody cancels a run; it takes a moment. False: it has ended already.
    pub fn cancel(&mut self, run: u64) -> bool {
        self.advance();
        let at = self.now();
        let alive = self.runs.get(&run).is_some_and(|run| run.conclusion().is_none());
        if alive {
            self.ask_to_cancel(run, at);
        }
        alive
    }

    /// A run ends so, now: `timed_out`, `startup_failure`, `cancelled`…
    pub fn conclude(&mut self, run: u64, conclusion: &str) {
        self.advance();
        let at = self.now();
        self.end_run(run, conclusion, at);
    }

    /// A job (by key or name) fails at a step, now.
    pub fn fail_job(&mut self, run: u64, job: &str, step: &str) {
        self.advance();
        let at = self.now();
        let jobs = self.runs.get(&run).into_iter().flat_map(|run| run.jobs.iter().enumerate());
        let named = |(_, j): &(usize, &crate::run::Job)| j.spec.key == job || j.name == job;
        if let Some((index, _)) = jobs.into_iter().find(named) {
            self.break_job(run, index, step, at);
        }
    }

    /// The jobs of a run that are at work end well, now; false: there are none.
    pub fn succeed(&mut self, run: u64) -> bool {
        self.advance();
        let at = self.now();
        let jobs = self.runs.get(&run).into_iter().flat_map(|run| run.jobs.iter().enumerate());
        let running: Vec<usize> = jobs.filter(|(_, job)| job.phase == Phase::Running).map(|(index, _)| index).collect();
        for index in &running {
            self.end_job(run, *index, "success", at);
        }
        !running.is_empty()
    }

    /// Somebody re-runs all jobs of a run that has ended: the next attempt, with the same id.
    pub fn rerun(&mut self, run: u64, by: &str) {
        self.next_attempt(run, by, |_| false);
    }

    /// Somebody re-runs the failed jobs (and what depends on them) of a run that has ended.
    pub fn rerun_failed(&mut self, run: u64, by: &str) {
        self.next_attempt(run, by, |job| job.conclusion.as_deref() == Some("success"));
    }

    fn next_attempt(&mut self, id: u64, by: &str, kept: impl Fn(&crate::run::Job) -> bool) {
        self.advance();
        let (at, by) = (self.now(), self.user(by));
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.conclusion().is_some()) else {
            return;
        };
        let before = Run { past: Vec::new(), ..run.clone() };
        run.past.push(before);
        run.attempt += 1;
        run.context["github"]["run_attempt"] = run.attempt.into();
        (run.started, run.updated) = (at, at);
        (run.stage, run.verdict, run.triggering_actor) = (Stage::Queued, None, by);
        run.jobs.retain(kept);
        self.enqueue(id, at);
    }

    /// Somebody deletes a run.
    pub fn delete_run(&mut self, run: u64) {
        if self.runs.get(&run).is_some_and(|run| run.conclusion().is_none()) {
            self.conclude(run, "cancelled");
        }
        self.runs.remove(&run);
    }

    /// Thirty days pass at a run's gates, and nobody has answered; other runs do not grow older.
    pub fn expire_gate(&mut self, run: u64) {
        self.advance();
        let at = self.now();
        let waiting = |job: &crate::run::Job| job.phase == Phase::Waiting;
        while let Some(index) = self.runs.get(&run).and_then(|run| run.jobs.iter().position(waiting)) {
            self.expire(run, index, at);
        }
    }

    /// The token is no longer good.
    pub fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Time lapse, with everything that happens meanwhile.
    pub fn pass(&mut self, time: Duration) {
        self.clock.jump(time);
        self.advance();
    }

    /// The run of the n-th accepted dispatch, counted from 0.
    pub fn dispatched(&self, n: usize) -> Option<&Run> {
        self.runs.get(&self.dispatches.get(n)?.run)
    }
}
