//! A rollout that has not begun: planned, checked, and only then begun.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::{
    Failure,
    begin::{Begun, Case, Job, Over, skipped},
    context::Origin,
    finding::{Finding, Severity},
    github::{Github, Pull},
    given::{Basis, Given},
    observe::Observer,
    plan::{self, Subject},
    preflight::{self, Checked},
    report::{View, Watcher, comment, log, outputs, outputs::Outputs, summary},
    rollout::{Deployment, Phase, Progress, Rollout, Run},
    run::RunFacts,
    state::{self, Hand, Record, Stage},
    sticky::{Found, Sticky},
    tally::{Outcome, Tally},
    watch::Watch,
};

/// Tries of one deployment whose ids are looked for when the state is gone.
const MOST_TRIES: u32 = 9;

/// Plans, checks and begins. `unread` says why a comment that is there was of no use.
///
/// # Errors
/// GitHub cannot be asked, or it cannot be told what was dispatched before.
pub async fn start<'a>(case: Case<'a>, given: &Given, unread: Option<String>) -> Result<Begun<'a>, Failure> {
    if case.pull.labels.contains(&case.job.inputs.skip_label) {
        let reason = format!("pull request #{} has the label `{}`", case.pull.number, case.job.inputs.skip_label);
        return Ok(skipped(Some(case.pull.number), &reason));
    }
    let config = given.config(&case.github, case.job.inputs, &case.subject.merge_commit).await?;
    let default_branch = case.pull.default_branch.as_deref();
    if !config.deploys(&case.pull.base_ref, default_branch) {
        let reason = format!(
            "pull request #{} was merged into `{}`, and deployed is {}",
            case.pull.number,
            case.pull.base_ref,
            config.branches_told(default_branch)
        );
        return Ok(skipped(Some(case.pull.number), &reason));
    }
    let pulls: Vec<&Pull> = case.together.iter().chain([&case.pull]).collect();
    let basis = given.basis(&case.github, config, &pulls, &case.subject.merge_commit).await?;
    let (rollout, mut checked) = prepare(&case.github, &case.subject, &basis, case.job.inputs).await?;
    if let Some(why) = &unread {
        tracing::warn!("the comment's state is not used: {why}");
    }
    log_findings(&checked.findings);
    if errors(&checked.findings) {
        let how = format!(
            "once it is mended, run this workflow by `workflow_dispatch` with `pull-request: {}`, or re-run this job",
            case.pull.number
        );
        tracing::error!("nothing was dispatched; {how}");
        return over(case, rollout, &checked.findings, Stage::Refused).await;
    }
    if rollout.deployments.is_empty() {
        return over(case, rollout, &checked.findings, Stage::Finished).await;
    }
    if case.job.inputs.dry_run {
        return Ok(dry_run(&case, &rollout, &checked.findings));
    }
    let most = case.job.inputs.max_deployments;
    let count = rollout.deployments.iter().filter(|deployment| deployment.planned.skip.is_none()).count();
    if most > 0 && count > most && !case.pull.labels.contains(&case.job.inputs.release_label) {
        tracing::warn!(
            "held: {count} deployments are more than `max-deployments: {most}` allows; add the label `{}` and re-run this job to release them",
            case.job.inputs.release_label
        );
        return over(case, rollout, &checked.findings, Stage::Held).await;
    }
    let mut observer = Observer::new(case.job.tempo.lost, false);
    let rollout = rebuild(&case, rollout, &checked, &mut observer, unread.is_some()).await?;
    let origin = case.job.context.origin.clone();
    checked.findings.retain(|finding| finding.severity == Severity::Warning);
    hold(watch(case, rollout, origin, checked, observer)).await
}

/// The plan and what preflight says of it.
async fn prepare(
    github: &Github,
    subject: &Subject,
    basis: &Basis,
    inputs: &crate::inputs::Inputs,
) -> Result<(Rollout, Checked), Failure> {
    let mut rollout = Rollout { subject: subject.clone(), started_at: github.now(), deployments: Vec::new() };
    let made = if basis.findings.is_empty() {
        plan::make(subject, &basis.config, &basis.items)
    } else {
        Err(basis.findings.clone())
    };
    let (planned, warnings) = match made {
        Ok(made) => made,
        Err(findings) => return Ok((rollout, Checked { findings, ..Checked::default() })),
    };
    rollout.deployments = planned.into_iter().map(Deployment::new).collect();
    let mut checked = preflight::check(github, &rollout, inputs.environment_check).await?;
    checked.findings.extend(warnings);
    if let Some(finding) = fits(&rollout) {
        checked.findings.insert(0, finding);
    }
    Ok((rollout, checked))
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
        deployment.progress =
            Progress::Followed(Run { id: 10_000_000_000 + spread, attempt: 1, phase: Phase::Waiting });
    }
    let record = Record { stage: Stage::Live, hand: Hand::default(), origin: Origin::default(), rollout: grown };
    let size = state::encode(&record).len();
    (size > comment::LARGEST_STATE).then(|| {
        Finding::error(
            format!("{} deployments", rollout.deployments.len()),
            format!("their state takes {size} characters, and the comment has room for {}", comment::LARGEST_STATE),
            "Split the rollout with several uses of the action that each have a `comment-key`, or shorten names and inputs",
        )
    })
}

/// Finds what was dispatched before, when no state tells: by the ids in the runs' titles.
async fn rebuild(
    case: &Case<'_>,
    mut rollout: Rollout,
    checked: &Checked,
    observer: &mut Observer,
    damaged: bool,
) -> Result<Rollout, Failure> {
    let since = case.pull.merged_at.unwrap_or(rollout.started_at);
    let runs = observer.titles(&case.github, &rollout, since).await?;
    let adopted = adopt(&mut rollout, &runs);
    if adopted > 0 {
        tracing::warn!("no state was found, and {adopted} runs of this rollout were: they are adopted");
    }
    let first = case.job.context.run_attempt == 1 && adopted == 0 && !damaged;
    if first {
        return Ok(rollout);
    }
    let blind: Vec<String> = rollout
        .deployments
        .iter()
        .filter(|deployment| deployment.progress == Progress::Planned && deployment.planned.skip.is_none())
        .filter(|deployment| {
            let planned = &deployment.planned;
            let id = rollout.id(deployment);
            !checked.workflows.get(&(planned.workflow.clone(), planned.git_ref.clone())).is_some_and(|declared| {
                declared.shows(&declared.filled(&planned.inputs, &rollout.subject.merge_commit, &id), &id)
            })
        })
        .map(|deployment| deployment.planned.name())
        .collect();
    if blind.is_empty() {
        return Ok(rollout);
    }
    let found: Vec<String> = runs.iter().map(|run| format!("run {} ({})", run.id, run.title)).collect();
    Err(Failure::Mistakes(vec![format!(
        "it cannot be told what was dispatched before: there is no readable state, this is not the first attempt, and the titles of the runs show no ids. \
         Nothing was dispatched. Not known to be deployed: {}. Runs of these workflows since the merge: {}. \
         Give the workflows a `run-name` with `${{{{ inputs.deployment_id }}}}`, look at these runs, and deploy what is missing by hand",
        blind.join(", "),
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]))
}

/// Gives each deployment the run whose title shows one of its ids, the latest try first.
fn adopt(rollout: &mut Rollout, runs: &[RunFacts]) -> usize {
    let by_id: HashMap<&str, &RunFacts> =
        runs.iter().rev().flat_map(|run| crate::identity::ids_in(&run.title).map(move |id| (id, run))).collect();
    let subject = rollout.subject.clone();
    let mut adopted = 0;
    for deployment in rollout.deployments.iter_mut().filter(|deployment| deployment.planned.skip.is_none()) {
        let found = (1..=MOST_TRIES).rev().find_map(|tries| {
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
        workflows: checked.workflows,
        findings: checked.findings,
        observer,
        logged: Vec::new(),
        barred: None,
        warned: None,
        case,
    }
}

/// Takes the rollout in hand: writes this process into the state, and looks whether that stands. Where
/// another process was quicker, that one dispatches, and this one looks at the comment again.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn hold(mut watch: Watch<'_>) -> Result<Begun<'_>, Failure> {
    if let Some(sticky) = &watch.case.sticky
        && !sticky.unchanged().await?
    {
        return Ok(Begun::Overtaken(Box::new(watch.case)));
    }
    watch.show(Stage::Live, &Watcher::Here).await?;
    let nonce = watch.case.hand.nonce.clone();
    if let Some(sticky) = &mut watch.case.sticky
        && !sticky.stands(&nonce).await?
    {
        return Ok(Begun::Overtaken(Box::new(watch.case)));
    }
    Ok(Begun::Watch(Box::new(watch)))
}

/// Ends a rollout that does not begin, with what there is to show.
async fn over<'a>(
    mut case: Case<'a>,
    rollout: Rollout,
    findings: &[Finding],
    stage: Stage,
) -> Result<Begun<'a>, Failure> {
    let run_url = case.job.context.run_url();
    let standings = rollout.standings();
    let view = View {
        rollout: &rollout,
        standings: &standings,
        stage,
        watcher: Watcher::Here,
        findings,
        server_url: &case.job.context.server_url,
        run_url: &run_url,
    };
    // Of what has not begun, only the stage is remembered.
    let empty = Rollout { deployments: Vec::new(), ..rollout.clone() };
    let origin = case.job.context.origin.clone();
    let hand = Hand { released: true, ..case.hand.clone() };
    let packed = state::encode(&Record { stage, hand, origin, rollout: empty });
    let worth_a_comment = stage != Stage::Finished;
    if let Some(sticky) = &mut case.sticky
        && !case.job.inputs.dry_run
        && (worth_a_comment || sticky.place().is_some())
    {
        let body = comment::render(&view, &rollout.subject.comment_key, &packed);
        if let Err(trouble) = sticky.write(&log::redact(&body, &case.job.inputs.token)).await {
            if stage != Stage::Preview {
                return Err(trouble.into());
            }
            tracing::warn!("the preview is in the job summary alone: {trouble}");
        }
    }
    let failing = errors(findings);
    let (result, pass) = match stage {
        _ if failing => (Outcome::Failed, false),
        Stage::Held => (Outcome::Held, case.job.inputs.fail_on == crate::inputs::FailOn::Never),
        Stage::Finished => (Outcome::NothingToDeploy, true),
        _ => (Outcome::Skipped, true),
    };
    let place = case.sticky.as_ref().and_then(Sticky::place);
    let outputs = Outputs {
        result,
        deployments: outputs::rows(&rollout, &standings, &case.job.context.server_url),
        tally: Tally::of(&standings),
        pull_request: Some(case.pull.number),
        comment_id: place.map(|(id, _)| id),
        comment_url: place.map(|(_, url)| url.to_owned()),
    };
    Ok(Begun::Over(Over { outputs, summary: summary::render(&view), pass }))
}

/// Shows the plan, and does nothing.
fn dry_run(case: &Case<'_>, rollout: &Rollout, findings: &[Finding]) -> Begun<'static> {
    let run_url = case.job.context.run_url();
    let standings = rollout.standings();
    let view = View {
        rollout,
        standings: &standings,
        stage: Stage::Preview,
        watcher: Watcher::Here,
        findings,
        server_url: &case.job.context.server_url,
        run_url: &run_url,
    };
    log::group("dry run: what would be deployed", || {
        for deployment in &rollout.deployments {
            let planned = &deployment.planned;
            match &planned.skip {
                Some(reason) => tracing::info!("{}: not deployed: {reason}", planned.name()),
                None => tracing::info!(
                    "{} → `{}` by `{}` ({})",
                    planned.name(),
                    planned.environment,
                    planned.workflow,
                    planned.why
                ),
            }
        }
    });
    Begun::Over(Over {
        outputs: Outputs {
            deployments: outputs::rows(rollout, &standings, &case.job.context.server_url),
            tally: Tally::of(&standings),
            pull_request: Some(case.pull.number),
            ..Outputs::bare(Outcome::Skipped)
        },
        summary: summary::plan(&view),
        pass: true,
    })
}

/// Shows on an open pull request what a merge would deploy. It never overwrites a live state.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn preview<'a>(job: Job<'a>, github: Github, pull: Pull, given: &Given) -> Result<Begun<'a>, Failure> {
    let subject = Subject {
        repository: job.context.repository.clone(),
        pull_request: pull.number,
        merge_commit: pull.merge_commit.clone().unwrap_or_else(|| pull.head_sha.clone()),
        head_sha: pull.head_sha.clone(),
        base_ref: pull.base_ref.clone(),
        comment_key: job.inputs.comment_key.clone(),
        author: pull.author.clone(),
        merged_by: String::new(),
        together: Vec::new(),
    };
    let hand = Hand { run: job.context.run_id, attempt: job.context.run_attempt, ..Hand::default() };
    let config = given.config(&github, job.inputs, &subject.merge_commit).await?;
    let basis = given.basis(&github, config, &[&pull], &subject.merge_commit).await?;
    let (rollout, checked) = prepare(&github, &subject, &basis, job.inputs).await?;
    log_findings(&checked.findings);
    let mut case = Case { job, github, pull, together: Vec::new(), subject, hand, sticky: None };
    if case.job.inputs.dry_run {
        return Ok(dry_run(&case, &rollout, &checked.findings));
    }
    if case.job.inputs.comment {
        let (sticky, found) = Sticky::open(&case.github, case.pull.number, &case.subject.comment_key).await?;
        let live = matches!(&found, Found::Record(record) if matches!(record.stage, Stage::Live | Stage::Finished));
        case.sticky = (!live).then_some(sticky);
    }
    over(case, rollout, &checked.findings, Stage::Preview).await
}

/// Whether any finding stops the rollout.
pub fn errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Annotations, the most important first. GitHub shows ten of each kind a step.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>
pub fn log_findings(findings: &[Finding]) {
    const MOST: usize = 9;
    for severity in [Severity::Error, Severity::Warning] {
        let lines: Vec<String> =
            findings.iter().filter(|finding| finding.severity == severity).map(Finding::line).collect();
        let say = |text: &str| match severity {
            Severity::Error => tracing::error!("{text}"),
            Severity::Warning => tracing::warn!("{text}"),
        };
        lines.iter().take(MOST).for_each(|line| say(line));
        if lines.len() > MOST {
            say(&format!("and {} more, in the log below and in the job summary", lines.len() - MOST));
            lines.iter().skip(MOST).for_each(|line| tracing::info!("{line}"));
        }
    }
}
