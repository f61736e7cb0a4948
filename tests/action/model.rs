//! Thousands of random worlds in memory: `decide`, `verdict`, `resume` and `state` on a GitHub of a few lines,
//! with processes that die between any two steps and come back from what they wrote down.

use std::collections::BTreeSet;

use deployment_approvals::{
    context::Origin,
    decide::decide,
    plan::{Planned, Subject},
    resume::{self, Us, Verdict},
    rollout::{Deployment, End, Phase, Progress, Proof, Rollout, Run, Standing, Status},
    run::{Gate, Job, Review, RunFacts, Sighting, Time},
    state::{self, Hand, Record, Stage},
    tally::Tally,
    verdict,
};

use crate::chance::{self, Act, Chance, Decision, Drawn};

/// Worlds that are played where `WORLDS` does not say.
pub const WORLDS: u64 = 5_000;
/// After so long a dispatch without a run is lost, in seconds, as in production.
const LOST: i64 = 300;
/// Between two looks, in seconds.
const LOOK: i64 = 40;

/// The process was killed.
struct Killed;

/// A run, and what will become of it.
struct Made {
    facts: RunFacts,
    part: usize,
    decision: Option<Decision>,
    end: &'static str,
    reviews: Vec<Review>,
    ran: bool,
}

/// What came of a request that deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Run(u64),
    Unknown,
    Unsent,
}

struct Hub {
    drawn: Drawn,
    chance: Chance,
    now: i64,
    runs: Vec<Made>,
    /// The ids that were sent, so that GitHub may have got them.
    sent: BTreeSet<String>,
    /// What was last written down.
    memory: Option<Record>,
    steps: u64,
    dies_at: Option<u64>,
    /// Nothing goes wrong any more, and everybody answers.
    well: bool,
}

impl Hub {
    fn time(&self) -> Time {
        Time::from_timestamp(1_790_000_000 + self.now, 0).unwrap()
    }

    /// One request: what it did stays done, whoever dies of it.
    fn step(&mut self) -> Result<(), Killed> {
        self.steps += 1;
        if self.dies_at.is_some_and(|at| self.steps >= at) { Err(Killed) } else { Ok(()) }
    }

    fn write(&mut self, record: &Record) -> Result<(), Killed> {
        self.memory = Some(record.clone());
        self.step()
    }

    /// Runs move, each by at most one stage a look.
    fn pass_time(&mut self) {
        self.now += LOOK;
        let (now, well) = (self.time(), self.well);
        for made in &mut self.runs {
            if made.facts.completed() || self.chance.percent(30) {
                continue;
            }
            let (status, conclusion) = match (made.facts.status.as_str(), made.decision) {
                ("queued", Some(_)) => ("waiting", None),
                ("waiting", Some(Decision::Never)) if !well => continue,
                ("waiting", Some(decision)) => {
                    let state = if decision == Decision::Reject { "rejected" } else { "approved" };
                    made.reviews.push(review(state, now));
                    if decision == Decision::Reject { ("completed", Some("failure")) } else { ("in_progress", None) }
                }
                ("queued", None) => ("in_progress", None),
                _ => ("completed", Some(made.end)),
            };
            made.ran |= status == "in_progress";
            made.facts.status = status.to_owned();
            made.facts.conclusion = conclusion.map(str::to_owned);
            made.facts.updated_at = now;
        }
    }

    fn dispatch(&mut self, part: usize, id: &str) -> Result<Outcome, Killed> {
        let luck = if self.well { 99 } else { self.chance.below(100) };
        if luck < 5 {
            self.step()?;
            return Ok(Outcome::Unsent);
        }
        let first = !self.runs.iter().any(|made| made.part == part);
        self.sent.insert(id.to_owned());
        if luck < 12 {
            // It never reached GitHub, and nobody can tell.
            self.step()?;
            return Ok(Outcome::Unknown);
        }
        let run = 700 + self.runs.len() as u64;
        let planned = &self.drawn.parts[part];
        let facts = RunFacts {
            id: run,
            attempt: 1,
            status: "queued".to_owned(),
            conclusion: None,
            title: format!("apply {id}"),
            path: ".github/workflows/apply.yml".to_owned(),
            event: "workflow_dispatch".to_owned(),
            created_at: self.time(),
            began_at: self.time(),
            updated_at: self.time(),
        };
        let decision = planned.gated.then_some(planned.decisions[usize::from(!first)]);
        let end = planned.ends[usize::from(!first)];
        self.runs.push(Made { facts, part, decision, end, reviews: Vec::new(), ran: false });
        self.step()?;
        Ok(if luck < 20 { Outcome::Unknown } else { Outcome::Run(run) })
    }

    fn sighting(&self, made: &Made, deployment: &Deployment) -> Sighting {
        let asked = verdict::details(deployment, &made.facts, false);
        let gate = Gate { environment: "prod".to_owned(), ..Gate::default() };
        let gates = if made.facts.status == "waiting" { vec![gate] } else { vec![] };
        let conclusion = made.facts.conclusion.clone();
        let job = Job { id: 1, name: "apply".to_owned(), conclusion, ran: made.ran, failed_step: None };
        Sighting {
            run: made.facts.clone(),
            gates: asked.gates.then_some(gates),
            reviews: asked.reviews.then(|| made.reviews.clone()),
            jobs: asked.jobs.then(|| vec![job]),
        }
    }
}

fn review(state: &str, seen_at: Time) -> Review {
    let environments = vec!["prod".to_owned()];
    Review { state: state.to_owned(), user: "mona".to_owned(), comment: String::new(), environments, seen_at }
}

/// One process: an attempt of the job.
struct Process {
    record: Record,
    resend: bool,
}

impl Process {
    fn begin(hub: &mut Hub, attempt: u64) -> Result<Self, Killed> {
        let hand = Hand { run: 7, attempt, nonce: format!("n{attempt}"), released: false, begun: None };
        let mut record = fresh(hub, hand.clone());
        let found = hub.memory.as_ref().map(|record| state::decode(&state::encode(record)).expect("our own state"));
        let resend = found.is_some();
        if let Some(found) = found {
            let us = Us { subject: &record.rollout.subject, hand: &hand, origin: &record.origin, merge_event: true };
            let verdict = resume::judge(&found, &us);
            record = Record { hand, ..found };
            match verdict {
                Verdict::Take => {}
                Verdict::Retry => record.rollout.deployments.iter_mut().for_each(|one| resume::try_again(one, false)),
                other => panic!("{other:?}"),
            }
            record.rollout.deployments.iter_mut().for_each(|one| resume::doubt(one, hub.time()));
            record.stage = Stage::Live;
        }
        hub.write(&record)?;
        Ok(Self { record, resend })
    }

    /// Passes until all has ended, or long enough.
    fn run(&mut self, hub: &mut Hub) -> Result<Option<Vec<Standing>>, Killed> {
        for look in 0..60 {
            hub.pass_time();
            // A list may be old once: then nothing is new.
            if hub.well || !hub.chance.percent(15) {
                self.look(hub, look);
            }
            hub.step()?;
            loop {
                let standings = self.record.rollout.standings();
                let decision = decide(&self.record.rollout, &standings, hub.drawn.max_parallel);
                if decision.finished {
                    self.record.stage = Stage::Finished;
                    hub.write(&self.record)?;
                    return Ok(Some(standings));
                }
                if decision.dispatch.is_empty() || !self.act(hub, &decision.dispatch)? {
                    break;
                }
            }
            hub.write(&self.record)?;
        }
        self.record.hand.released = true;
        hub.write(&self.record)?;
        Ok(None)
    }

    fn look(&mut self, hub: &Hub, look: usize) {
        let rollout = &mut self.record.rollout;
        for index in 0..rollout.deployments.len() {
            let id = rollout.id(&rollout.deployments[index]);
            let deployment = &mut rollout.deployments[index];
            let made = match &deployment.progress {
                Progress::Planned => continue,
                Progress::Intended { .. } => hub.runs.iter().find(|made| made.facts.title.ends_with(&id)),
                _ => deployment.run().and_then(|run| hub.runs.iter().find(|made| made.facts.id == run.id)),
            };
            match (made, &deployment.progress) {
                (Some(made), _) => {
                    let sighting = hub.sighting(made, deployment);
                    verdict::apply(deployment, &sighting, hub.time());
                    deployment.proof = Proof::Seen;
                }
                (None, Progress::Intended { at, note }) if look >= 3 && (hub.time() - *at).num_seconds() >= LOST => {
                    let (end, at) = (End::Lost, hub.time());
                    deployment.progress = match note {
                        None if self.resend => Progress::Planned,
                        _ => Progress::Ended { end, reason: None, at, run: None, job: None },
                    };
                }
                (None, _) => {}
            }
        }
    }

    /// Intent, request, outcome. False: nothing more can be sent now.
    fn act(&mut self, hub: &mut Hub, ready: &[usize]) -> Result<bool, Killed> {
        let at = hub.time();
        for index in ready {
            self.record.rollout.deployments[*index].progress = Progress::Intended { at, note: None };
        }
        hub.write(&self.record)?;
        for (done, index) in ready.iter().enumerate() {
            promised(hub, &self.record.rollout, *index);
            let id = self.record.rollout.id(&self.record.rollout.deployments[*index]);
            let progress = match hub.dispatch(*index, &id)? {
                Outcome::Run(id) => Progress::Followed(Run { id, attempt: 1, phase: Phase::Queued }),
                Outcome::Unknown => Progress::Intended { at, note: Some("no answer".to_owned()) },
                Outcome::Unsent => {
                    for index in &ready[done..] {
                        self.record.rollout.deployments[*index].progress = Progress::Planned;
                    }
                    return Ok(false);
                }
            };
            self.record.rollout.deployments[*index].progress = progress;
        }
        Ok(true)
    }
}

fn fresh(hub: &Hub, hand: Hand) -> Record {
    let subject = Subject { repository: "acme/infra".to_owned(), pull_request: 42, ..Subject::default() };
    let deployments = hub.drawn.parts.iter().enumerate().map(|(index, part)| {
        let environment = if part.gated { "prod" } else { "dev" }.to_owned();
        let (component, needs) = (format!("c{index}"), part.needs.clone());
        Deployment::new(Planned { component, environment, needs, ..Planned::default() })
    });
    let rollout = Rollout { deployments: deployments.collect(), subject, started_at: hub.time() };
    Record { stage: Stage::Live, hand, origin: Origin::default(), rollout }
}

/// What must be true of GitHub's own record whenever something is sent.
fn promised(hub: &Hub, rollout: &Rollout, index: usize) {
    for need in &hub.drawn.parts[index].needs {
        let done = |made: &Made| made.part == *need && made.facts.conclusion.as_deref() == Some("success");
        assert!(hub.runs.iter().any(done), "c{index} goes before c{need} has succeeded");
    }
    let most = hub.drawn.max_parallel;
    let known = rollout.deployments.iter().filter(|deployment| deployment.active()).count();
    let real = 1 + hub.runs.iter().filter(|made| !made.facts.completed()).count();
    assert!(most == 0 || (known <= most && real <= most), "{known} are active, {real} in truth, {most} may be");
}

/// At the end what is told is what GitHub says, and each try became at most one run.
fn last(hub: &Hub, rollout: &Rollout, standings: &[Standing]) {
    let titles: BTreeSet<&String> = hub.runs.iter().map(|made| &made.facts.title).collect();
    assert_eq!(titles.len(), hub.runs.len(), "dispatched twice");
    let tally = Tally::of(standings);
    let sum = tally.succeeded + tally.failed + tally.rejected + tally.cancelled + tally.skipped + tally.pending;
    assert_eq!((sum, tally.pending), (standings.len(), 0));
    for (deployment, standing) in rollout.deployments.iter().zip(standings) {
        let id = rollout.id(deployment);
        let made = hub.runs.iter().find(|made| made.facts.title.ends_with(&id));
        let expected: &[Status] = match made.map(|made| (made.facts.conclusion.as_deref(), made.ran)) {
            Some((Some("success"), _)) => &[Status::Succeeded],
            Some((Some("failure"), false)) => &[Status::Rejected],
            Some((Some("cancelled"), _)) => &[Status::Cancelled],
            Some((Some("timed_out"), _)) => &[Status::TimedOut],
            Some((Some(_), _)) => &[Status::Failed],
            Some((None, _)) => &[],
            None if hub.sent.contains(&id) => &[Status::Lost],
            None => &[Status::Skipped],
        };
        assert!(expected.contains(&standing.status), "{standing:?} is {expected:?}");
    }
}

fn play(seed: u64) {
    let drawn = chance::draw(seed);
    let mut hub = Hub {
        chance: Chance::new(!seed),
        now: 0,
        runs: Vec::new(),
        sent: BTreeSet::new(),
        memory: None,
        steps: 0,
        dies_at: None,
        well: false,
        drawn: drawn.clone(),
    };
    let mut attempt = 0;
    let mut live = |hub: &mut Hub, dies_after: Option<u64>| {
        hub.dies_at = dies_after.map(|steps| hub.steps + steps);
        attempt += 1;
        let mut process = Process::begin(hub, attempt).ok()?;
        let standings = process.run(hub).ok()??;
        Some((process.record.rollout, standings))
    };
    for act in drawn.acts {
        let dies_after = if let Act::Job { killed } = act { killed.map(|(steps, _)| steps) } else { None };
        live(&mut hub, dies_after);
    }
    hub.well = true;
    for _ in 0..6 {
        if let Some((rollout, standings)) = live(&mut hub, None) {
            return last(&hub, &rollout, &standings);
        }
    }
    panic!("never finished");
}

#[test]
fn no_random_world_in_memory_breaks_a_promise() {
    let seeds = chance::seeds(WORLDS);
    for seed in &seeds {
        if std::panic::catch_unwind(|| play(*seed)).is_err() {
            panic!("SEED={seed}: {:#?}", chance::draw(*seed));
        }
    }
    println!("{} worlds in memory kept every promise", seeds.len());
}
