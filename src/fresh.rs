//! A rollout that has not begun: planned, checked, and only then begun.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::{
    Failure,
    begin::{Begun, Case},
    checks::Check,
    context::Origin,
    finding::{self, Finding, Severity, quoted},
    github::{Github, Pull, Trouble},
    given::{Basis, Given},
    inputs::{Inputs, OnCancel},
    observe::Observer,
    plan::{self, Subject},
    preflight::{self, Checked, TestMerge},
    report::{annotations, comment, log},
    rollout::{Deployment, End, Phase, Progress, Rollout, Run},
    run::RunFacts,
    state::{self, Hand, Record, Stage},
    unbegun::{Belief, dry_run, go_on, over, unwanted},
    wanted::{elsewhere, inseparable, labelled, labelled_off},
    watch::Watch,
};

/// Tries of one deployment whose ids are looked for when the state is gone.
const MOST_TRIES: u32 = 9;

/// What to do with a plan that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// A check found an error.
    Refuse,
    /// There is nothing to deploy.
    Nothing,
    /// Show it and do nothing.
    Show,
    /// It is larger than allowed, and nobody released it.
    Hold,
    /// Begin.
    Begin,
}

/// Decides what to do with a plan that was checked: nothing is dispatched but on [`Course::Begin`]. Pure.
pub fn course(rollout: &Rollout, findings: &[Finding], dry_run: bool) -> Course {
    let held = findings.iter().any(|finding| finding.check == Check::MaxDeployments);
    match () {
        () if finding::errors(findings) => Course::Refuse,
        () if dry_run => Course::Show,
        () if rollout.deployments.is_empty() => Course::Nothing,
        () if held => Course::Hold,
        () => Course::Begin,
    }
}

/// What is known of an earlier process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memory {
    /// There is no comment.
    Nothing,
    /// A readable state says that nothing has begun: a preview, a refusal, a hold.
    NotBegun,
    /// There is, or was, a comment whose state is of no use; why.
    Unread(String),
}

/// Plans, checks and begins.
///
/// # Errors
/// GitHub cannot be asked, or it cannot be told what was dispatched before.
pub async fn start<'a>(mut case: Case<'a>, given: &Given, memory: Memory) -> Result<Begun<'a>, Failure> {
    let inputs = case.job.inputs;
    let basis = match ground(&mut case, given).await? {
        Ok(basis) => basis,
        Err(reason) => return unwanted(case, &memory, &reason).await,
    };
    let (rollout, checked) = prepare(&case.github, &case.pull, &case.subject, &basis, inputs).await?;
    if let Memory::Unread(why) = &memory {
        tracing::warn!("the comment's state is not used: {why}");
    }
    annotations::show(&checked.findings);
    let belief = memory.belief(case.job.context.run_attempt);
    match course(&rollout, &checked.findings, case.job.inputs.dry_run) {
        Course::Refuse => {
            tracing::error!("nothing was dispatched; {}", go_on(&case.pull));
            over(case, rollout, &checked, Stage::Refused, None, belief).await
        }
        Course::Nothing => over(case, rollout, &checked, Stage::Finished, None, belief).await,
        Course::Show => Ok(dry_run(&case, &rollout, &checked)),
        Course::Hold => over(case, rollout, &checked, Stage::Held, None, belief).await,
        Course::Begin => {
            let mut observer = Observer::new(case.job.tempo.lost, false);
            let rollout = rebuild(&case, rollout, &checked, &mut observer, &memory).await?;
            let origin = case.job.context.origin.clone();
            hold(watch(case, rollout, origin, checked, observer)).await
        }
    }
}

/// What the plan is made of; or why nothing is deployed, which needs no list that can be read. Of pull requests
/// merged together the labelled ones are left out.
async fn ground(case: &mut Case<'_>, given: &Given) -> Result<Result<Basis, String>, Trouble> {
    let inputs = case.job.inputs;
    let (left_out, pulls): (Vec<&Pull>, Vec<&Pull>) =
        case.together.iter().chain([&case.pull]).partition(|pull| labelled(pull, &inputs.skip_label));
    let labels: Vec<String> = left_out.iter().filter_map(|pull| labelled_off(pull, inputs)).collect();
    if pulls.is_empty() {
        return Ok(Err(labels.join("; ")));
    }
    case.subject.left_out = left_out.iter().map(|pull| pull.number).collect();
    let commit = &case.subject.merge_commit;
    let config = given.config(&case.github, inputs, &case.pull, commit).await?;
    if let Some(reason) = config.as_ref().ok().and_then(|config| elsewhere(&case.pull, config)) {
        return Ok(Err(reason));
    }
    let mut basis = given.basis(&case.github, config, &pulls, commit).await?;
    if given.is_listed() {
        basis.findings.extend(left_out.iter().map(|pull| inseparable(pull, &pulls, inputs)));
    } else {
        labels.iter().for_each(|reason| log::notice(&format!("{reason}: what it alone changes is not deployed")));
    }
    Ok(Ok(basis))
}

impl Memory {
    /// What a comment that is written now may say of before.
    fn belief(&self, attempt: u64) -> Belief {
        match self {
            Self::NotBegun => Belief::Certain,
            Self::Nothing if attempt == 1 => Belief::Certain,
            Self::Nothing | Self::Unread(_) => Belief::Doubtful,
        }
    }
}

/// The plan and what preflight says of it.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn prepare(
    github: &Github,
    pull: &Pull,
    subject: &Subject,
    basis: &Basis,
    inputs: &Inputs,
) -> Result<(Rollout, Checked), Failure> {
    let mut rollout = Rollout::empty(subject, github.now());
    let made = if basis.findings.is_empty() {
        plan::make(subject, &basis.config, &basis.items)
    } else {
        Err(basis.findings.clone())
    };
    let (planned, warnings) = match made {
        Ok(made) => made,
        Err(findings) => return Ok((rollout, Checked { findings: finding::gather(findings), ..Checked::default() })),
    };
    rollout.deployments = planned.into_iter().map(Deployment::new).collect();
    let merge = TestMerge::of(pull);
    let mut checked = preflight::check(github, &rollout, inputs.environment_check, merge).await?;
    checked.findings.extend(warnings);
    checked.findings.extend(fits(&rollout));
    checked.findings.extend(size(&rollout, pull, inputs));
    checked.findings = finding::gather(checked.findings);
    Ok((rollout, checked))
}

/// Whether more would be deployed at once than is allowed, and nobody released it.
pub fn size(rollout: &Rollout, pull: &Pull, inputs: &Inputs) -> Option<Finding> {
    let most = inputs.max_deployments;
    let count = rollout.deployments.iter().filter(|deployment| deployment.planned.skip.is_none()).count();
    (most > 0 && count > most && !labelled(pull, &inputs.release_label)).then(|| {
        let label = quoted(&inputs.release_label);
        let problem = format!("{count} are more than `max-deployments: {most}` allows, so none is made");
        let remedy = if pull.open {
            format!("To release them, add the label {label} to the pull request before it is merged")
        } else {
            format!("To release them, add the label {label} to the pull request, then re-run the job")
        };
        Finding::of(Check::MaxDeployments, Severity::Warning, problem, remedy).about("deployments")
    })
}

/// Whether the state of this rollout will still fit into the comment when every run is known.
fn fits(rollout: &Rollout) -> Option<Finding> {
    let mut grown = rollout.clone();
    for (index, deployment) in grown.deployments.iter_mut().enumerate() {
        // Ids and times spread as real ones do.
        let spread = (index as u64).wrapping_mul(2_654_435_761) % 10_000_000;
        deployment.started_at =
            grown.started_at.checked_add_signed(TimeDelta::seconds(i64::try_from(spread % 90_000).unwrap_or(0)));
        deployment.waiting_since = deployment.started_at;
        let ran = TimeDelta::seconds(i64::try_from(spread % 3600).unwrap_or(0));
        deployment.running_since = deployment.started_at.and_then(|started| started.checked_add_signed(ran));
        // An end takes more than a run that is followed. What people wrote gives way, so it takes nothing.
        deployment.progress = Progress::Ended {
            end: End::Failed,
            reason: None,
            at: deployment.started_at.unwrap_or(grown.started_at),
            run: Some(Run { id: 10_000_000_000 + spread, attempt: 1, phase: Phase::Running }),
            job: Some(50_000_000_000 + spread.wrapping_mul(7) % 10_000_000),
        };
    }
    let record = Record { stage: Stage::Live, hand: Hand::default(), origin: Origin::default(), rollout: grown };
    let size = state::encode(&record).len();
    (size > comment::LARGEST_STATE).then(|| {
        Finding::of(
            Check::StateSize,
            Severity::Error,
            format!("their state takes {size} characters, and the comment has room for {}", comment::LARGEST_STATE),
            "Split the rollout with several uses of the action that each have a `comment-key`, or shorten names and inputs",
        )
        .about(format!("{} deployments", rollout.deployments.len()))
    })
}

/// Finds what was dispatched before, when no state tells: by the ids in the runs' titles.
async fn rebuild(
    case: &Case<'_>,
    mut rollout: Rollout,
    checked: &Checked,
    observer: &mut Observer,
    memory: &Memory,
) -> Result<Rollout, Failure> {
    let since = case.pull.merged_at.unwrap_or(rollout.started_at);
    let (mut runs, mut complete) = observer.titles(&case.github, &rollout, since).await?;
    let mut adopted = adopt(&mut rollout, &runs);
    let suspected = matches!(memory, Memory::Unread(_)) || case.job.context.run_attempt > 1;
    if adopted == 0 && suspected && *memory != Memory::NotBegun {
        // A list may be old: that nothing was dispatched is not believed at once.
        case.github.wait(case.job.tempo.late).await?;
        (runs, complete) = observer.titles(&case.github, &rollout, since).await?;
        adopted = adopt(&mut rollout, &runs);
    }
    if adopted > 0 {
        tracing::warn!("no state was found, and {adopted} runs of this rollout were: they are adopted");
    }
    // Only the merge's own event is surely the first to come. A first attempt by hand may follow it, and people may
    // have deleted the comment: then no run must be there that could be this rollout's.
    let merge = matches!(case.job.context.event_name.as_str(), "pull_request" | "pull_request_target" | "push");
    let first_attempt = *memory == Memory::Nothing && case.job.context.run_attempt == 1;
    if adopted == 0 && (*memory == Memory::NotBegun || (first_attempt && merge)) {
        return Ok(rollout);
    }
    let ran = |deployment: &Deployment| runs.iter().any(|run| run.is_dispatch_of(&deployment.planned.workflow));
    let blind: Vec<String> = rollout
        .deployments
        .iter()
        .filter(|deployment| deployment.progress == Progress::Planned && deployment.planned.skip.is_none())
        .filter(|deployment| !complete || !checked.shows_id(&rollout, deployment))
        .filter(|deployment| !complete || !first_attempt || ran(deployment))
        .map(|deployment| deployment.planned.name())
        .collect();
    if blind.is_empty() {
        return Ok(rollout);
    }
    let found: Vec<String> = runs.iter().map(|run| format!("run {} ({})", run.id, run.title)).collect();
    Err(Failure::Mistakes(vec![format!(
        "it cannot be told what was dispatched before: there is no readable state, this need not be the first run, and the titles of the runs show no ids. \
         Nothing was dispatched. Not known to be deployed: {}. Runs of these workflows since the merge: {}. \
         Give the workflows a `run-name` with `${{{{ inputs.deployment_id }}}}`, look at these runs, and deploy what is missing by hand",
        blind.join(", "),
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]))
}

/// Gives each deployment that is not known to be dispatched the run whose title shows one of its ids, the latest
/// try first.
pub fn adopt(rollout: &mut Rollout, runs: &[RunFacts]) -> usize {
    let by_id: HashMap<&str, &RunFacts> = runs
        .iter()
        .rev()
        .filter(|run| run.event == "workflow_dispatch")
        .flat_map(|run| crate::identity::ids_in(&run.title).map(move |id| (id, run)))
        .collect();
    let subject = rollout.subject.clone();
    let mut adopted = 0;
    let unsent =
        |deployment: &&mut Deployment| deployment.planned.skip.is_none() && deployment.progress == Progress::Planned;
    for deployment in rollout.deployments.iter_mut().filter(unsent) {
        let found = (deployment.tries..=MOST_TRIES.max(deployment.tries)).rev().find_map(|tries| {
            let run = by_id.get(deployment.planned.id(&subject, tries).as_str())?;
            run.is_dispatch_of(&deployment.planned.workflow).then_some((tries, *run))
        });
        if let Some((tries, run)) = found {
            deployment.tries = tries;
            deployment.started_at = Some(run.created_at);
            deployment.progress = Progress::Followed(Run { id: run.id, attempt: run.attempt, phase: Phase::Queued });
            adopted += 1;
        }
    }
    adopted
}

/// A watch over a rollout.
pub fn watch<'a>(case: Case<'a>, rollout: Rollout, origin: Origin, checked: Checked, observer: Observer) -> Watch<'a> {
    Watch {
        rollout,
        origin,
        checked,
        observer,
        logged: Vec::new(),
        barred: None,
        warned: None,
        taken: None,
        rewritten: false,
        searched: false,
        overtaken: false,
        case,
    }
}

/// Takes the rollout in hand: writes this process into the state, and looks whether that stands. Where
/// another process was quicker, that one dispatches, and this one looks at the comment again.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn hold(mut watch: Watch<'_>) -> Result<Begun<'_>, Failure> {
    // Where nothing is to be dispatched, there is nothing to follow either.
    let finished = watch.rollout.standings().iter().all(|standing| standing.status.finished());
    let stage = if finished { Stage::Finished } else { Stage::Live };
    match watch.take(stage).await {
        Ok(true) => Ok(Begun::Watch(Box::new(watch))),
        Ok(false) => Ok(Begun::Overtaken(Box::new(watch.case))),
        Err(trouble) => {
            // The comment may name this process already: it must not stay so.
            let cancel = match &trouble {
                Trouble::Stopped => Some(("the job was cancelled", watch.case.job.inputs.on_cancel)),
                Trouble::OutOfTime { .. } => Some(("the time-out is over", OnCancel::Leave)),
                _ => None,
            };
            if let Some((why, cancel)) = cancel {
                watch.leave(why, cancel).await;
            }
            Err(trouble.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planned;

    /// Names as people give them, and names that nothing can be saved of.
    fn rollout(name: impl Fn(u64) -> String, inputs: impl Fn(&str) -> Vec<(&'static str, String)>) -> Rollout {
        let subject = Subject {
            repository: "acme/infrastructure".to_owned(),
            pull_request: 4711,
            merge_commit: "8f3c2d1e0b9a8f7e6d5c4b3a29181706f5e4d3c2".to_owned(),
            ..Subject::default()
        };
        let deployments = (0..1000).map(|index| {
            let component = name(index);
            let own = inputs(&component).into_iter().map(|(name, value)| (name.to_owned(), value));
            Deployment::new(Planned {
                inputs: own.collect(),
                stack: Some(format!("plat-{}-prod", ["use1", "use2", "euw1"][index as usize % 3])),
                environment: "production".to_owned(),
                workflow: "apply.yml".to_owned(),
                git_ref: "main".to_owned(),
                component,
                ..Planned::default()
            })
        });
        let started_at = crate::run::Time::from_timestamp(1_790_000_000, 0).unwrap();
        Rollout { deployments: deployments.collect(), ..Rollout::empty(&subject, started_at) }
    }

    fn spread(index: u64) -> u64 {
        (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    #[test]
    fn a_thousand_deployments_fit_whatever_their_names_and_inputs_are_like() {
        let words = ["network", "database", "cluster", "gateway", "queue", "cache", "identity", "storage", "search"];
        let plain = |index: u64| {
            let word = |shift: u32| words[(spread(index) >> shift) as usize % words.len()];
            format!("{}-{}-{index}", word(3), word(17))
        };
        let random = |index: u64| format!("svc-{:016x}", spread(index));
        let folder = |component: &str| {
            let folder = format!("infra/production/{component}");
            vec![("component", component.to_owned()), ("folder", folder), ("environment", "production".to_owned())]
        };
        for (told, finding) in [
            ("words", fits(&rollout(plain, |_| Vec::new()))),
            ("words and a folder", fits(&rollout(plain, folder))),
            ("random names", fits(&rollout(random, |_| Vec::new()))),
            ("random names and a folder", fits(&rollout(random, folder))),
        ] {
            assert!(finding.is_none(), "{told}: {finding:?}");
        }
    }
}
