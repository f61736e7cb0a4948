//! What will happen to runs that do not exist yet: rules which the world matches against every attempt.

use std::time::Duration;

use crate::run::{ReviewState, Run};

type Predicate = Box<dyn Fn(&Run) -> bool + Send>;

/// A rule of [`World::when`](crate::World::when). Of several that match, the latest one wins, aspect by aspect.
pub struct Behaviour {
    matches: Predicate,
    attempt: Option<u32>,
    pub(crate) plan: Plan,
}

/// All that was decided for one attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub reviews: Vec<ScriptedReview>,
    pub fails: Option<String>,
    pub concludes: Option<String>,
    pub takes: Option<Duration>,
    pub queued_for: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) struct ScriptedReview {
    /// None: any environment.
    pub environment: Option<String>,
    pub after: Duration,
    pub state: ReviewState,
    pub user: String,
    pub comment: String,
}

impl Behaviour {
    pub(crate) fn when(matches: impl Fn(&Run) -> bool + Send + 'static) -> Behaviour {
        Behaviour { matches: Box::new(matches), attempt: None, plan: Plan::default() }
    }

    /// Only in this attempt (1 is the first).
    pub fn on_attempt(&mut self, attempt: u32) -> &mut Behaviour {
        self.attempt = Some(attempt);
        self
    }

    /// A person decides, so long after a gate has begun to wait; at every gate of the run.
    pub fn reviewed(&mut self, after: Duration, state: ReviewState, user: &str, comment: &str) -> &mut Behaviour {
        self.review(None, after, state, user, comment)
    }

    /// As [`reviewed`](Self::reviewed), at the gate of one environment.
    pub fn reviewed_for(
        &mut self,
        environment: &str,
        after: Duration,
        state: ReviewState,
        user: &str,
        comment: &str,
    ) -> &mut Behaviour {
        self.review(Some(environment.to_owned()), after, state, user, comment)
    }

    fn review(
        &mut self,
        environment: Option<String>,
        after: Duration,
        state: ReviewState,
        user: &str,
        comment: &str,
    ) -> &mut Behaviour {
        let (user, comment) = (user.to_owned(), comment.to_owned());
        self.plan.reviews.push(ScriptedReview { environment, after, state, user, comment });
        self
    }

    /// The job that has a step of this name (else the last job) fails there.
    pub fn fails(&mut self, step: &str) -> &mut Behaviour {
        self.plan.fails = Some(step.to_owned());
        self
    }

    /// The run ends so once its first job has run: `timed_out`, `neutral`, a word of a future GitHub…
    /// `startup_failure` ends it before any job.
    pub fn concludes(&mut self, conclusion: &str) -> &mut Behaviour {
        self.plan.concludes = Some(conclusion.to_owned());
        self
    }

    /// How long each job runs.
    pub fn takes(&mut self, duration: Duration) -> &mut Behaviour {
        self.plan.takes = Some(duration);
        self
    }

    /// How long the run, and then each job, is queued.
    pub fn queued_for(&mut self, duration: Duration) -> &mut Behaviour {
        self.plan.queued_for = Some(duration);
        self
    }
}

/// What all rules together say about a run's present attempt.
pub(crate) fn plan(rules: &[Behaviour], run: &Run) -> Plan {
    let mut plan = Plan::default();
    let apply = |rule: &&Behaviour| rule.attempt.is_none_or(|a| a == run.attempt) && (rule.matches)(run);
    for Behaviour { plan: rule, .. } in rules.iter().filter(apply) {
        if !rule.reviews.is_empty() {
            plan.reviews.clone_from(&rule.reviews);
        }
        plan.fails = rule.fails.clone().or(plan.fails);
        plan.concludes = rule.concludes.clone().or(plan.concludes);
        plan.takes = rule.takes.or(plan.takes);
        plan.queued_for = rule.queued_for.or(plan.queued_for);
    }
    plan
}
