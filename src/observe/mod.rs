//! Looking at the runs: one conditional request a look for a hundred of a workflow, and a few more for each that
//! changed. An answer that GitHub repeats costs nothing.
//!
//! A list can be late or short, so what it lacks is never taken for an end. A run that is missing is asked
//! for by itself, and only when GitHub denies it again and again is it lost.
//!
//! <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate>

mod lists;
mod missing;
mod still;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};

use self::lists::{Lists, Reach, Seen};
use crate::{
    github::{Github, Trouble},
    identity,
    ordered::Ordered,
    preflight::Told,
    rollout::{Deployment, End, Phase, Progress, Proof, Rollout, Run},
    run::{RunFacts, Sighting, Time},
    verdict::{self, Details, Doubt},
};

/// Requests about single runs under way at once.
const AT_ONCE: usize = 8;
/// Looks at which a run may be missing before it is asked for by itself.
const PATIENCE: u32 = 2;
/// Looks at which a run that was seen must be denied before it is believed to be deleted.
const DENIALS: u32 = 3;
/// Looks at which what holds a run back may not fit its status before it is asked about seldom.
const UNEXPLAINED: u32 = 3;
/// How often reviews and jobs are asked for again that do not explain how a run ended.
const LATE: u32 = 4;
/// Looks a process must have made before it gives a dispatch or a run up.
const LOOKS: u32 = 3;
/// At every so many looks a run that ended badly and is below what is read of the lists is asked for by itself.
const SELDOM: u32 = 16;

/// Remembers what was last seen, so that only changes cost requests.
#[derive(Debug)]
pub struct Observer {
    lost_after: TimeDelta,
    lists: Lists,
    /// What was last applied, by the run's id.
    applied: HashMap<u64, RunFacts>,
    /// At how many looks a deployment's run was missing.
    missing: HashMap<usize, u32>,
    /// Runs that ended and are no more.
    deleted: HashSet<u64>,
    /// At how many looks a run waited and nothing held it back, or the other way round.
    unexplained: HashMap<u64, u32>,
    /// How often this process has looked.
    looks: u32,
    /// Something was not there at the last look, and it takes more looks to believe it.
    unsure: bool,
    /// A person re-ran the job whose process died: what that process surely did not send may be sent.
    resend: bool,
}

impl Observer {
    /// An observer that has seen nothing.
    pub fn new(lost_after: Duration, resend: bool) -> Self {
        Self {
            lost_after: TimeDelta::from_std(lost_after).unwrap_or(TimeDelta::MAX),
            lists: Lists::default(),
            applied: HashMap::new(),
            missing: HashMap::new(),
            deleted: HashSet::new(),
            unexplained: HashMap::new(),
            looks: 0,
            unsure: false,
            resend,
        }
    }

    /// Looks once, and applies what is new to the rollout; tells whether anything was. `told` is what
    /// preflight knows of each deployment's workflow.
    pub async fn look(
        &mut self,
        github: &Github,
        rollout: &mut Rollout,
        told: &[Told],
        now: Time,
    ) -> Result<bool, Trouble> {
        self.looks = self.looks.saturating_add(1);
        self.unsure = false;
        let reaches = reaches(rollout, wanted, self.looks == 1);
        let seen = self.lists.read_all(github, reaches).await?;
        let (sightings, moved) = self.find(github, rollout, &seen, told, now).await?;
        Ok(self.ask_and_apply(github, rollout, sightings, told, now).await || moved)
    }

    /// Whether even a process that is to look once has to look again.
    pub fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// All runs of these workflows since a moment, for a rollout whose state is gone; and whether these are
    /// really all.
    pub async fn titles(
        &mut self,
        github: &Github,
        rollout: &Rollout,
        since: Time,
    ) -> Result<(Vec<RunFacts>, bool), Trouble> {
        let workflows: BTreeSet<&String> = rollout
            .deployments
            .iter()
            .filter(|deployment| deployment.planned.skip.is_none())
            .map(|deployment| &deployment.planned.workflow)
            .ordered();
        let whole = |workflow: &&String| ((*workflow).clone(), Reach { since, open: HashSet::new(), all: true });
        let seen = self.lists.read_all(github, workflows.iter().map(whole).collect()).await?;
        let complete = workflows.into_iter().all(|workflow| seen.complete.contains(workflow));
        // Clocks differ by moments.
        let since = since - TimeDelta::minutes(5);
        let mut runs: Vec<RunFacts> = seen.by_id.into_values().filter(|run| run.created_at >= since).collect();
        runs.sort_unstable_by_key(|run| run.id);
        Ok((runs, complete))
    }

    /// What this look tells of each deployment: the run's facts where they changed. And whether a deployment
    /// changed by having none.
    async fn find(
        &mut self,
        github: &Github,
        rollout: &mut Rollout,
        seen: &Seen,
        told: &[Told],
        now: Time,
    ) -> Result<(Vec<(usize, RunFacts)>, bool), Trouble> {
        let ids: Vec<String> = rollout.deployments.iter().map(|deployment| rollout.id(deployment)).collect();
        let mut changed = Vec::new();
        let mut moved = false;
        for (index, id) in ids.iter().enumerate() {
            let Some(deployment) = rollout.deployments.get_mut(index) else {
                continue;
            };
            if !wanted(deployment) {
                moved |= adopt(deployment, seen, id);
                continue;
            }
            let before = (deployment.active(), deployment.proof);
            let shows = told.get(index).is_some_and(|told| told.shows_id);
            let listed = match deployment.run() {
                Some(run) => seen.by_id.get(&run.id).cloned(),
                None => named(seen, id, &deployment.planned.workflow),
            };
            let facts = match listed {
                Some(facts) => Some(facts),
                None if deployment.run().is_some() => self.ask_for(github, index, deployment, now).await?,
                None => {
                    self.give_up(deployment, seen, shows, now);
                    None
                }
            };
            let Some(facts) = facts else {
                moved |= (deployment.active(), deployment.proof) != before;
                continue;
            };
            self.missing.remove(&index);
            let Some(facts) = self.unless_undone(github, deployment, facts).await? else {
                continue;
            };
            if deployment.run().is_some_and(|known| facts.attempt < known.attempt) || self.is_old(&facts) {
                // An old list: a newer attempt is known, or more of this one.
                continue;
            }
            let mut shown = identity::ids_in(&facts.title).peekable();
            let must_show = shows && shown.peek().is_some();
            let (mut own, mut of_another) = (false, false);
            for word in shown {
                own |= word == id;
                of_another |= word != id && ids.iter().any(|other| other == word);
            }
            let of_another = of_another || (must_show && !own);
            if of_another || !facts.is_dispatch_of(&deployment.planned.workflow) {
                // The state names a run that is none of ours.
                tracing::warn!(
                    "run {} is no dispatch of `{}`: the state named a wrong run",
                    facts.id,
                    deployment.planned.workflow
                );
                deployment.progress = Progress::Intended { at: now, note: Some("a wrong run was named".to_owned()) };
                deployment.proof = Proof::Seen;
                moved = true;
                continue;
            }
            if deployment.proof == Proof::Claimed {
                deployment.proof = Proof::Seen;
                moved = true;
                if facts.conclusion.as_deref() != Some("success") {
                    // The state is wrong, or people re-ran it.
                    deployment.progress =
                        Progress::Followed(Run { id: facts.id, attempt: facts.attempt, phase: Phase::Running });
                }
            }
            if let Progress::Ended { end, run: Some(run), .. } = &deployment.progress
                && *end != End::Lost
                && facts.completed()
                && run.attempt == facts.attempt
                && !self.applied.contains_key(&facts.id)
            {
                // An earlier process took its end down: nothing is new.
                self.applied.insert(facts.id, facts);
                continue;
            }
            let unexplained = self.unexplained.get(&facts.id).is_some_and(|looks| *looks >= UNEXPLAINED);
            if self.applied.get(&facts.id) != Some(&facts) || (unexplained && self.looks.is_power_of_two()) {
                changed.push((index, facts));
            }
        }
        Ok((changed, moved))
    }

    /// A list that says that an attempt goes on whose end an earlier process took down: one of the two is wrong, and
    /// the run itself tells which.
    async fn unless_undone(
        &mut self,
        github: &Github,
        deployment: &Deployment,
        listed: RunFacts,
    ) -> Result<Option<RunFacts>, Trouble> {
        let ended = match &deployment.progress {
            Progress::Ended { end, run: Some(run), .. } => *end != End::Lost && run.attempt == listed.attempt,
            _ => false,
        };
        if !ended || listed.completed() || self.applied.contains_key(&listed.id) {
            return Ok(Some(listed));
        }
        match self.lists.run(&github.within(github.tempo().one_run), listed.id).await {
            Ok(facts) => Ok(Some(facts)),
            Err(Trouble::NotFound { .. } | Trouble::OutOfTime { .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Whether this process has seen more of the attempt: its end, which comes once, or a later change. An end is
    /// believed whatever a server's clock says.
    fn is_old(&self, facts: &RunFacts) -> bool {
        self.applied.get(&facts.id).is_some_and(|known| {
            let before = known.completed() || facts.updated_at < known.updated_at;
            known.attempt == facts.attempt && !facts.completed() && before
        })
    }

    /// Fetches the details that the changes ask for, and applies them. What cannot be fetched now stays
    /// as it was, and is fetched at the next look. Tells whether anything changed.
    async fn ask_and_apply(
        &mut self,
        github: &Github,
        rollout: &mut Rollout,
        changed: Vec<(usize, RunFacts)>,
        told: &[Told],
        now: Time,
    ) -> bool {
        let mut moved = false;
        let asks: Vec<(usize, RunFacts, Details)> = changed
            .into_iter()
            .filter_map(|(index, facts)| {
                let told = told.get(index).copied().unwrap_or_default();
                let details = verdict::details(rollout.deployments.get(index)?, &facts, told.one_job);
                Some((index, facts, details))
            })
            .collect();
        let answers = stream::iter(asks)
            .map(|(index, facts, details)| {
                // One run about which GitHub does not answer must not hold the others back.
                let github = github.within(github.tempo().one_run);
                let before = rollout.deployments.get(index).cloned();
                async move { (index, facts.id, sighting(&github, facts, details, before.as_ref(), now).await) }
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        for (index, run, answer) in answers {
            match answer {
                Ok(sighting) => {
                    if let Some(deployment) = rollout.deployments.get_mut(index) {
                        let before = deployment.clone();
                        verdict::apply(deployment, &sighting, now);
                        moved |= *deployment != before;
                        self.take_down(sighting);
                    }
                }
                // Time or patience ended: the next look, or the next process, asks again.
                Err(trouble @ Trouble::OutOfTime { .. }) => {
                    tracing::info!("run {run} could not be looked at, so it is looked at again later: {trouble}");
                }
                Err(trouble) => tracing::debug!("run {run}: {trouble}"),
            }
        }
        moved
    }

    /// Remembers what was applied, unless it is to be asked about again: what holds the run back does not fit its
    /// status, so one of the answers is old.
    fn take_down(&mut self, sighting: Sighting) {
        let run = sighting.run.id;
        let held = sighting.gates.as_ref().is_some_and(|gates| !gates.is_empty());
        let looks = self.unexplained.entry(run).or_default();
        let fits = (sighting.run.status == "waiting") == held;
        *looks = if fits { 0 } else { *looks + 1 };
        if fits || *looks >= UNEXPLAINED {
            self.applied.insert(run, sighting.run);
        } else {
            // Whatever comes is new: what was known before is true no longer.
            self.applied.remove(&run);
        }
    }
}

/// Whether a look is for this deployment: it is under way, or ended in a way that can still change.
fn wanted(deployment: &Deployment) -> bool {
    !matches!(deployment.progress, Progress::Planned)
}

/// What is of use of each workflow's list, for some of the deployments.
fn reaches(rollout: &Rollout, of: impl Fn(&Deployment) -> bool, first_look: bool) -> HashMap<String, Reach> {
    let mut reaches: HashMap<String, Reach> = HashMap::new();
    for deployment in rollout.deployments.iter().filter(|deployment| of(deployment)) {
        let since = since(deployment, rollout.started_at);
        let workflow = deployment.planned.workflow.clone();
        let reach = reaches.entry(workflow).or_insert(Reach { since, open: HashSet::new(), all: false });
        reach.since = reach.since.min(since);
        match &deployment.progress {
            Progress::Followed(run) => drop(reach.open.insert(run.id)),
            Progress::Intended { .. } => reach.all = true,
            Progress::Ended { run: Some(run), .. } if deployment.proof == Proof::Claimed => {
                reach.open.insert(run.id);
            }
            // A run that came while nobody looked may be far down; one that comes later is the first.
            Progress::Ended { run: None, .. } => reach.all |= first_look,
            Progress::Planned | Progress::Ended { .. } => {}
        }
    }
    reaches
}

/// Gives a deployment that the state calls undispatched the run whose title shows its id. Another process that held
/// the rollout in between dispatched it, and what that wrote down was written over.
fn adopt(deployment: &mut Deployment, seen: &Seen, id: &str) -> bool {
    if deployment.planned.skip.is_some() {
        return false;
    }
    let Some(facts) = named(seen, id, &deployment.planned.workflow) else {
        return false;
    };
    tracing::warn!("{}: run {} is there already, and is adopted", deployment.planned.name(), facts.id);
    deployment.started_at = Some(facts.created_at);
    deployment.progress = Progress::Followed(Run { id: facts.id, attempt: facts.attempt, phase: Phase::Queued });
    true
}

/// Since when its run can exist.
fn since(deployment: &Deployment, rollout_started: Time) -> Time {
    match &deployment.progress {
        Progress::Intended { at, .. } => *at,
        _ => deployment.started_at.unwrap_or(rollout_started),
    }
}

/// The run whose title shows the id. Two runs with one id cannot come from this program; the older one is
/// the one that was dispatched.
fn named(seen: &Seen, id: &str, workflow: &str) -> Option<RunFacts> {
    seen.by_name.get(id)?.iter().filter(|run| run.is_dispatch_of(workflow)).min_by_key(|run| run.id).cloned()
}

/// A run with its details. A detail that GitHub refuses is left out, so that a missing permission or a
/// deleted run cannot hold the rest back.
async fn sighting(
    github: &Github,
    run: RunFacts,
    details: Details,
    before: Option<&Deployment>,
    now: Time,
) -> Result<Sighting, Trouble> {
    let id = run.id;
    let gates = ask(details.gates, github.gates(id));
    let reviews = ask(details.reviews, github.reviews(id, now));
    let jobs = ask(details.jobs, github.jobs(id));
    let (gates, reviews, jobs) = futures_util::future::try_join3(gates, reviews, jobs).await?;
    let mut sighting = Sighting { run, gates, reviews, jobs };
    for tries in 0..LATE {
        let Some(doubt) = before.and_then(|before| verdict::doubt(before, &sighting)) else {
            break;
        };
        github.back_off(tries).await?;
        match doubt {
            Doubt::Reviews => sighting.reviews = ask(true, github.reviews(id, now)).await?,
            Doubt::Jobs => sighting.jobs = ask(true, github.jobs(id)).await?,
        }
    }
    Ok(sighting)
}

async fn ask<T>(wanted: bool, request: impl Future<Output = Result<T, Trouble>>) -> Result<Option<T>, Trouble> {
    if !wanted {
        return Ok(None);
    }
    match request.await {
        Ok(detail) => Ok(Some(detail)),
        Err(trouble @ (Trouble::NotFound { .. } | Trouble::Forbidden { .. } | Trouble::Refused { .. })) => {
            tracing::info!("{trouble}; going on without it");
            Ok(None)
        }
        Err(trouble) => Err(trouble),
    }
}
