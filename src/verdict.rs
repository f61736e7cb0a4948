//! From what GitHub tells of a run to what it means for its deployment. Pure, and the only place that does it.
//!
//! Only `success` succeeds. A word that is not known is a failure if the run has ended, and unfinished if not.

use chrono::TimeDelta;

use crate::{
    finding::quoted,
    rollout::{Deployment, End, Phase, Progress, Run},
    run::{Job, Review, RunFacts, Sighting, Time},
};

/// Which details a look at a run asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Details {
    /// `pending_deployments`
    pub gates: bool,
    /// `approvals`
    pub reviews: bool,
    /// `jobs`
    pub jobs: bool,
}

impl Details {
    /// Whether any is asked for.
    pub fn any(self) -> bool {
        self.gates || self.reviews || self.jobs
    }
}

/// A gate closes for good after 30 days. An hour less, since a look is never exactly on time.
/// <https://docs.github.com/en/actions/reference/limits>
fn gate_life() -> TimeDelta {
    TimeDelta::days(30) - TimeDelta::hours(1)
}

/// What has to be asked about a run that changed since the last look. `one_job`: its workflow has no second one.
pub fn details(deployment: &Deployment, run: &RunFacts, one_job: bool) -> Details {
    let known = deployment.run();
    let held = known.is_some_and(|known| known.phase == Phase::Waiting);
    let failed = run.conclusion.as_deref() == Some("failure");
    Details {
        // Once more when it goes on: behind a job that runs, another one may have come to its gate.
        gates: !run.completed() && (run.status == "waiting" || (held && !one_job)),
        // Between two looks a run can pass its gate unseen, so a finished run is asked at least once.
        // One that has other jobs may have passed another gate, and a later attempt the same one again.
        reviews: held || (run.completed() && (deployment.reviews.is_empty() || run.attempt > 1 || failed || !one_job)),
        jobs: run.completed() && run.conclusion.as_deref() != Some("success"),
    }
}

/// Applies a look at the run to its deployment.
pub fn apply(deployment: &mut Deployment, sighting: &Sighting, now: Time) {
    let run = &sighting.run;
    let restarted = deployment.run().is_some_and(|known| known.attempt < run.attempt);
    if deployment.started_at.is_none() {
        deployment.started_at = Some(run.created_at);
    }
    if restarted {
        deployment.waiting_since = None;
        deployment.running_since = None;
        deployment.gates = Vec::new();
    }
    if let Some(reviews) = &sighting.reviews {
        remember(&mut deployment.reviews, reviews);
    }
    let phase = match run.status.as_str() {
        "queued" | "requested" | "pending" => Phase::Queued,
        "waiting" => Phase::Waiting,
        _ => Phase::Running,
    };
    let held = sighting.gates.as_ref().is_some_and(|gates| !gates.is_empty());
    let known = Run { id: run.id, attempt: run.attempt, phase: if held { Phase::Waiting } else { phase } };
    if run.completed() {
        let (end, reason, job) = judge(deployment, sighting);
        deployment.progress = Progress::Ended { end, reason, at: run.updated_at, run: Some(known), job };
        deployment.gates = Vec::new();
        return;
    }
    let ran = deployment.run().is_some_and(|before| before.phase == Phase::Running);
    if known.phase == Phase::Waiting {
        if ran {
            // Another gate, behind a job that ran.
            deployment.waiting_since = None;
        }
        let environments =
            |gates: &[crate::run::Gate]| -> Vec<String> { gates.iter().map(|gate| gate.environment.clone()).collect() };
        if let Some(gates) = &sighting.gates {
            let (before, after) = (environments(&deployment.gates), environments(gates));
            if !before.is_empty() && after.iter().any(|gate| !before.contains(gate)) {
                deployment.waiting_since = None;
            }
            deployment.gates.clone_from(gates);
        }
        deployment.waiting_since = deployment.waiting_since.or(Some(run.updated_at.min(now)));
    } else {
        deployment.gates = Vec::new();
    }
    // Since it last began: a run that passes a second gate begins again.
    if known.phase == Phase::Running && (!ran || deployment.running_since.is_none()) {
        deployment.running_since = Some(run.updated_at.min(now));
    }
    deployment.progress = Progress::Followed(known);
}

/// Adds reviews not seen before; `approvals` has neither times nor attempts, so each keeps its first sight.
fn remember(known: &mut Vec<Review>, seen: &[Review]) {
    let mut open: Vec<usize> = (0..known.len()).collect();
    for review in seen {
        let again = open.iter().position(|index| known.get(*index).is_some_and(|other| other.same(review)));
        match again.map(|place| open.remove(place)).and_then(|index| known.get_mut(index)) {
            Some(other) => other.comment.clone_from(&review.comment),
            None => known.push(review.clone()),
        }
    }
}

/// How a completed run ended: the end, why, and the job to link to.
fn judge(deployment: &Deployment, sighting: &Sighting) -> (End, Option<String>, Option<u64>) {
    let conclusion = sighting.run.conclusion.as_deref().unwrap_or("none");
    let jobs = sighting.jobs.as_deref().unwrap_or_default();
    let culprit = jobs.iter().find(|job| job.ran && bad(job)).or_else(|| jobs.iter().find(|job| bad(job)));
    match conclusion {
        "success" => (End::Succeeded, None, None),
        "failure" => failure(deployment, sighting, culprit),
        "cancelled" => {
            let reason = cancelled(jobs, sighting.jobs.is_some())
                .or_else(|| culprit.map(|job| format!("cancelled in {}", describe(job))));
            (End::Cancelled, reason, culprit.map(|job| job.id))
        }
        "timed_out" => (End::TimedOut, culprit.map(describe), culprit.map(|job| job.id)),
        word => (End::Failed, Some(format!("GitHub's conclusion is {}", quoted(word))), culprit.map(|job| job.id)),
    }
}

fn failure(deployment: &Deployment, sighting: &Sighting, culprit: Option<&Job>) -> (End, Option<String>, Option<u64>) {
    // A rejection counts only if the gated job of this attempt never started, and a job that ran and failed is
    // a failure whoever rejected another. A sibling that was cancelled because of it did not fail by itself.
    let told = sighting.jobs.is_some();
    let never_started = sighting.jobs.as_deref().is_some_and(never_started);
    let first = sighting.run.attempt == 1;
    let refusal = refusal(deployment, sighting).filter(|_| never_started || (!told && first));
    // Where nobody saw it wait, it was at its gate all the time.
    let waited = sighting.run.updated_at - deployment.waiting_since.unwrap_or(sighting.run.began_at);
    // A rejection that is in the list of a later attempt may be an earlier one's: the whole time at the gate is not.
    if never_started && waited >= gate_life() && (refusal.is_none() || !first) {
        return (End::Expired, Some(expiry(deployment)), None);
    }
    if let Some(review) = refusal {
        return (End::Rejected, Some(rejection(review)), None);
    }
    let reason = culprit.map_or_else(|| "GitHub's conclusion is `failure`, and no job says why".to_owned(), describe);
    (End::Failed, Some(reason), culprit.map(|job| job.id))
}

/// Whether the gated job was never started, and no other is to blame.
fn never_started(jobs: &[Job]) -> bool {
    let failed = |job: &Job| matches!(job.conclusion.as_deref(), Some("failure" | "timed_out"));
    let idle = |job: &Job| !job.ran && job.conclusion.as_deref() != Some("success");
    (jobs.is_empty() || jobs.iter().any(idle)) && !jobs.iter().any(|job| job.ran && failed(job))
}

/// Which answer about a run that has ended may be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It failed though none of its jobs did, and nobody rejected it.
    Reviews,
    /// A job goes on, as is told.
    Jobs,
}

/// Whether what is told of a run does not explain how it ended.
pub fn doubt(before: &Deployment, sighting: &Sighting) -> Option<Doubt> {
    let failed = sighting.run.conclusion.as_deref() == Some("failure");
    let jobs = sighting.jobs.as_deref()?;
    if let Some(reviews) = sighting.reviews.as_ref().filter(|_| failed && never_started(jobs)) {
        let mut after = before.clone();
        remember(&mut after.reviews, reviews);
        return refusal(&after, sighting).is_none().then_some(Doubt::Reviews);
    }
    jobs.iter().any(|job| job.conclusion.is_none()).then_some(Doubt::Jobs)
}

/// The last rejection that can be of this attempt. It stays in the list for ever, and nothing there tells of which
/// attempt it was: what was seen before this one began was of an earlier one.
fn refusal<'a>(deployment: &'a Deployment, sighting: &Sighting) -> Option<&'a Review> {
    let told = |review: &Review| sighting.reviews.iter().flatten().any(|seen| review.same(seen));
    let earlier = |review: &Review| sighting.run.attempt > 1 && review.seen_at < sighting.run.began_at;
    deployment.reviews.iter().rfind(|review| review.state == "rejected" && !earlier(review) && told(review))
}

/// What was not decided in time. GitHub re-runs nothing that is as old.
fn expiry(deployment: &Deployment) -> String {
    format!(
        "nobody decided within 30 days, so GitHub closed the gate, and a run that old cannot be re-run; to deploy it, \
         run workflow {} by hand with the same inputs",
        quoted(&deployment.planned.workflow)
    )
}

fn rejection(review: &Review) -> String {
    let who = if review.user.is_empty() { "somebody" } else { &review.user };
    match review.comment.trim() {
        "" => format!("rejected by {who}"),
        comment => format!("rejected by {who}: {comment}"),
    }
}

/// A run that a newer one of its concurrency group replaced ends without any job having been started.
/// <https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency>
fn cancelled(jobs: &[Job], told: bool) -> Option<String> {
    // A job that goes on, as is told, may have been started.
    (told && jobs.iter().all(|job| !job.ran && job.conclusion.is_some())).then(|| {
        "cancelled before any job started: by hand, or replaced in its `concurrency` group by a newer run".to_owned()
    })
}

fn bad(job: &Job) -> bool {
    job.conclusion.as_deref().is_some_and(|word| !matches!(word, "success" | "skipped" | "neutral"))
}

fn describe(job: &Job) -> String {
    match &job.failed_step {
        Some(step) => format!("job {}, step {}", quoted(&job.name), quoted(step)),
        None => format!("job {}", quoted(&job.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planned;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_790_000_000 + seconds, 0).expect("a time")
    }

    fn run(status: &str, conclusion: Option<&str>) -> RunFacts {
        RunFacts {
            id: 1,
            attempt: 1,
            status: status.to_owned(),
            conclusion: conclusion.map(str::to_owned),
            title: String::new(),
            path: ".github/workflows/apply.yml".to_owned(),
            event: "workflow_dispatch".to_owned(),
            created_at: at(0),
            began_at: at(0),
            updated_at: at(60),
        }
    }

    fn job(conclusion: &str, ran: bool) -> Job {
        let failed_step = (ran && conclusion == "failure").then(|| "terraform apply".to_owned());
        Job { id: 9, name: "apply".to_owned(), conclusion: Some(conclusion.to_owned()), ran, failed_step }
    }

    fn rejected() -> Review {
        Review {
            state: "rejected".to_owned(),
            user: "mona".to_owned(),
            comment: "not today".to_owned(),
            environments: vec!["prod".to_owned()],
            seen_at: at(50),
        }
    }

    fn ends(deployment: &mut Deployment, run: RunFacts, reviews: Vec<Review>, jobs: Vec<Job>) -> (End, String) {
        let sighting = Sighting { run, gates: None, reviews: Some(reviews), jobs: Some(jobs) };
        apply(deployment, &sighting, at(100));
        match &deployment.progress {
            Progress::Ended { end, reason, .. } => (*end, reason.clone().unwrap_or_default()),
            other => panic!("not ended: {other:?}"),
        }
    }

    fn fresh() -> Deployment {
        Deployment::new(Planned::default())
    }

    #[test]
    fn only_success_succeeds() {
        let words = [
            "success",
            "failure",
            "cancelled",
            "timed_out",
            "neutral",
            "skipped",
            "stale",
            "startup_failure",
            "action_required",
            "a_word_of_2031",
        ];
        for word in words {
            let (end, reason) = ends(&mut fresh(), run("completed", Some(word)), vec![], vec![]);
            assert_eq!(end == End::Succeeded, word == "success", "{word}");
            if end == End::Failed && word != "failure" {
                assert!(reason.contains(word), "{word}: {reason}");
            }
        }
        let (end, _) = ends(&mut fresh(), run("completed", None), vec![], vec![]);
        assert_eq!(end, End::Failed);
    }

    #[test]
    fn a_rejection_is_told_apart_from_a_failed_job() {
        let facts = run("completed", Some("failure"));
        let (end, reason) = ends(&mut fresh(), facts.clone(), vec![rejected()], vec![job("failure", false)]);
        assert_eq!((end, reason.as_str()), (End::Rejected, "rejected by mona: not today"));
        let (end, reason) = ends(&mut fresh(), facts, vec![], vec![job("failure", true)]);
        assert_eq!((end, reason.as_str()), (End::Failed, "job `apply`, step `terraform apply`"));
    }

    #[test]
    fn a_rejection_of_an_earlier_attempt_does_not_make_a_later_failure_a_rejection() {
        let facts = RunFacts { attempt: 2, ..run("completed", Some("failure")) };
        let (end, _) = ends(&mut fresh(), facts, vec![rejected()], vec![job("failure", true)]);
        assert_eq!(end, End::Failed);
    }

    #[test]
    fn a_gated_job_that_never_started_may_be_told_in_any_way() {
        let skipped = Job { conclusion: Some("skipped".to_owned()), ..job("", false) };
        let without = Job { conclusion: None, ..job("", false) };
        let before = job("success", true);
        for jobs in [vec![], vec![skipped], vec![without.clone()], vec![before, without]] {
            let (end, _) = ends(&mut fresh(), run("completed", Some("failure")), vec![rejected()], jobs.clone());
            assert_eq!(end, End::Rejected, "{jobs:?}");
        }
    }

    #[test]
    fn a_job_that_ran_and_failed_is_a_failure_though_another_was_rejected() {
        let jobs = vec![job("failure", false), job("failure", true)];
        let (end, _) = ends(&mut fresh(), run("completed", Some("failure")), vec![rejected()], jobs);
        assert_eq!(end, End::Failed);
    }

    #[test]
    fn a_gate_that_nobody_opened_in_30_days_expires() {
        let mut waiting = fresh();
        waiting.waiting_since = Some(at(0));
        let facts = RunFacts { updated_at: at(30 * 86_400), ..run("completed", Some("failure")) };
        waiting.planned.workflow = "apply.yml".to_owned();
        let (end, reason) = ends(&mut waiting, facts, vec![], vec![job("failure", false)]);
        assert_eq!(end, End::Expired);
        assert!(reason.ends_with("to deploy it, run workflow `apply.yml` by hand with the same inputs"), "{reason}");
    }

    const DAY: i64 = 86_400;

    #[test]
    fn where_nobody_saw_it_wait_an_attempt_waited_since_it_began() {
        for (attempt, began, ended, expected) in [
            (1, 0, 30 * DAY, End::Expired),
            (1, 0, 29 * DAY, End::Failed),
            (2, 5 * DAY, 35 * DAY, End::Expired),
            // The run is that old, and this attempt is not.
            (2, 25 * DAY, 31 * DAY, End::Failed),
        ] {
            let facts =
                RunFacts { attempt, began_at: at(began), updated_at: at(ended), ..run("completed", Some("failure")) };
            let (end, _) = ends(&mut fresh(), facts, vec![], vec![job("failure", false)]);
            assert_eq!(end, expected, "attempt {attempt} from {began} to {ended}");
        }
    }

    #[test]
    fn a_rejection_counts_unless_it_is_of_an_earlier_attempt() {
        // When it was first seen, if before this look; the attempt, its beginning and its end; what it was.
        for (seen, attempt, began, ended, expected) in [
            (None, 1, 0, 50, End::Rejected),
            (Some(50), 1, 0, 60, End::Rejected),
            // A reviewer may be late, and still be the one who ended it.
            (None, 1, 0, 30 * DAY, End::Rejected),
            (Some(50), 2, 70, 90, End::Failed),
            (Some(80), 2, 70, 90, End::Rejected),
            (None, 2, 70, 90, End::Rejected),
            (Some(50), 2, 70, 70 + 30 * DAY, End::Expired),
            // Nobody looked between the two attempts.
            (None, 2, 70, 70 + 30 * DAY, End::Expired),
        ] {
            let mut deployment = fresh();
            deployment.reviews = seen.map(|seen| Review { seen_at: at(seen), ..rejected() }).into_iter().collect();
            deployment.progress = Progress::Followed(Run { id: 1, attempt: 1, phase: Phase::Waiting });
            let facts =
                RunFacts { attempt, began_at: at(began), updated_at: at(ended), ..run("completed", Some("failure")) };
            let now = Review { seen_at: at(ended), ..rejected() };
            let (end, _) = ends(&mut deployment, facts, vec![now], vec![job("failure", false)]);
            assert_eq!(end, expected, "seen {seen:?}, attempt {attempt} from {began} to {ended}");
        }
    }

    #[test]
    fn the_same_words_in_two_attempts_are_two_rejections() {
        let mut deployment = fresh();
        ends(&mut deployment, run("completed", Some("failure")), vec![rejected()], vec![job("failure", false)]);
        let facts = RunFacts { attempt: 2, began_at: at(200), ..run("completed", Some("failure")) };
        let later = Review { seen_at: at(300), ..rejected() };
        let (end, _) = ends(&mut deployment, facts, vec![later.clone(), later], vec![job("failure", false)]);
        assert_eq!((end, deployment.reviews.len()), (End::Rejected, 2));
    }

    #[test]
    fn a_status_of_the_future_is_never_an_end() {
        let mut deployment = fresh();
        let sighting = Sighting { run: run("hibernating", None), gates: None, reviews: None, jobs: None };
        apply(&mut deployment, &sighting, at(100));
        assert!(matches!(deployment.progress, Progress::Followed(Run { phase: Phase::Running, .. })));
    }

    #[test]
    fn a_second_gate_starts_its_own_waiting_time() {
        let mut deployment = fresh();
        let gate = |name: &str| Some(vec![crate::run::Gate { environment: name.to_owned(), ..Default::default() }]);
        let first = Sighting { run: run("waiting", None), gates: gate("staging"), reviews: None, jobs: None };
        apply(&mut deployment, &first, at(100));
        assert_eq!(deployment.waiting_since, Some(at(60)));
        let later = RunFacts { updated_at: at(90), ..run("waiting", None) };
        let second = Sighting { run: later, gates: gate("production"), reviews: None, jobs: None };
        apply(&mut deployment, &second, at(100));
        assert_eq!(deployment.waiting_since, Some(at(90)));
    }

    fn gates(names: &[&str]) -> Option<Vec<crate::run::Gate>> {
        let gate = |name: &&str| crate::run::Gate { environment: (*name).to_owned(), ..Default::default() };
        Some(names.iter().map(gate).collect())
    }

    #[test]
    fn a_gate_waits_since_it_came_whatever_others_did() {
        // Status, when, gates, and since when it waits then.
        for story in [
            // One of two is opened: the other waits as long as before.
            [("waiting", 10, &["a", "b"][..], 10), ("waiting", 50, &["b"], 10)],
            // Another gate behind a job that ran.
            [("in_progress", 20, &[], 0), ("waiting", 90, &["b"], 90)],
        ] {
            let mut deployment = fresh();
            deployment.waiting_since = Some(at(5));
            for (status, seconds, names, since) in story {
                let facts = RunFacts { updated_at: at(seconds), ..run(status, None) };
                if seconds == 10 {
                    deployment.waiting_since = None;
                }
                let sighting = Sighting { run: facts, gates: gates(names), reviews: None, jobs: None };
                apply(&mut deployment, &sighting, at(100));
                assert!(
                    since == 0 || deployment.waiting_since == Some(at(since)),
                    "{status} at {seconds}: {deployment:?}"
                );
            }
        }
    }

    #[test]
    fn what_does_not_explain_an_end_is_doubted() {
        let waiting = |conclusion: &str, reviews, jobs| {
            let facts = run("completed", Some(conclusion));
            doubt(&fresh(), &Sighting { run: facts, gates: None, reviews: Some(reviews), jobs: Some(jobs) })
        };
        let open = Job { conclusion: None, ..job("", true) };
        assert_eq!(waiting("failure", vec![], vec![job("failure", false)]), Some(Doubt::Reviews));
        assert_eq!(waiting("failure", vec![rejected()], vec![job("failure", false)]), None);
        assert_eq!(waiting("failure", vec![], vec![job("failure", true)]), None);
        assert_eq!(waiting("failure", vec![], vec![open.clone()]), Some(Doubt::Jobs));
        assert_eq!(waiting("cancelled", vec![], vec![open.clone()]), Some(Doubt::Jobs));
        // What an earlier attempt's rejection explains is that attempt.
        let mut before = fresh();
        before.reviews = vec![Review { seen_at: at(10), ..rejected() }];
        let facts = RunFacts { attempt: 2, began_at: at(20), ..run("completed", Some("failure")) };
        let again = Sighting {
            run: facts,
            gates: None,
            reviews: Some(vec![rejected()]),
            jobs: Some(vec![job("failure", false)]),
        };
        assert_eq!(doubt(&before, &again), Some(Doubt::Reviews));
        // A job that goes on, as is told, may have been started.
        let (_, reason) =
            ends(&mut fresh(), run("completed", Some("cancelled")), vec![], vec![Job { ran: false, ..open }]);
        assert!(!reason.contains("before any job started"), "{reason}");
        let (_, reason) = ends(&mut fresh(), run("completed", Some("cancelled")), vec![], vec![job("cancelled", true)]);
        assert_eq!(reason, "cancelled in job `apply`");
        let (_, reason) = ends(&mut fresh(), run("completed", Some("failure")), vec![], vec![]);
        assert_eq!(reason, "GitHub's conclusion is `failure`, and no job says why");
    }

    #[test]
    fn a_run_runs_since_it_last_began() {
        let mut deployment = fresh();
        let look = |status: &str, seconds: i64, gates| Sighting {
            run: RunFacts { updated_at: at(seconds), ..run(status, None) },
            gates,
            reviews: None,
            jobs: None,
        };
        let gate = Some(vec![crate::run::Gate { environment: "audit".to_owned(), ..Default::default() }]);
        for (status, seconds, gates, since) in [
            ("queued", 5, None, None),
            ("in_progress", 10, None, Some(at(10))),
            ("in_progress", 20, None, Some(at(10))),
            ("waiting", 30, gate, Some(at(10))),
            ("in_progress", 40, None, Some(at(40))),
        ] {
            apply(&mut deployment, &look(status, seconds, gates), at(100));
            assert_eq!(deployment.running_since, since, "{status} at {seconds}");
        }
    }

    #[test]
    fn a_rerun_begins_again_and_keeps_what_was_decided() {
        let mut deployment = fresh();
        ends(&mut deployment, run("completed", Some("failure")), vec![rejected()], vec![job("failure", false)]);
        let again = RunFacts { attempt: 2, ..run("queued", None) };
        let sighting = Sighting { run: again, gates: None, reviews: Some(vec![rejected()]), jobs: None };
        apply(&mut deployment, &sighting, at(200));
        assert!(matches!(deployment.progress, Progress::Followed(Run { attempt: 2, phase: Phase::Queued, .. })));
        assert_eq!(deployment.reviews.len(), 1);
    }
}
