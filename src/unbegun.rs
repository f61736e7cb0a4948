//! What does not begin: a preview, a dry run, what the checks refused, what is held, what nobody wants deployed.
//! Nothing is dispatched here, and no live state is overwritten.

use crate::{
    Failure,
    begin::{Begun, Case, Over, skipped},
    finding::{self, Finding},
    fresh::Memory,
    github::{Pull, Trouble},
    inputs::FailOn,
    preflight::{Checked, permissions},
    report::{View, Watcher, annotations, comment, log, outputs, outputs::Outputs, summary},
    rollout::Rollout,
    state::{self, Hand, Record, Stage},
    sticky::Sticky,
    tally::Outcome,
};

/// Whether it is known that nothing was dispatched before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// The comment's state may say that nothing has begun.
    Certain,
    /// The comment says so to people, and carries no state: the next process must look for runs.
    Doubtful,
}

/// Ends a rollout that does not begin, with what there is to show. `reason`: why nothing is deployed, where
/// that is on purpose. What it writes replaces no live state: where another process was quicker, it is
/// [`Begun::Overtaken`].
///
/// # Errors
/// The comment cannot be written; that of a preview need not be.
pub async fn over<'a>(
    mut case: Case<'a>,
    rollout: Rollout,
    checked: &Checked,
    stage: Stage,
    reason: Option<&str>,
    belief: Belief,
) -> Result<Begun<'a>, Failure> {
    let view = |findings| {
        View::of(&rollout, stage, Watcher::Here, &case.job.context, case.github.now())
            .checked(findings, &checked.environments)
            .because(reason)
    };
    let mut lacking = None;
    let failing = finding::errors(&checked.findings);
    let worth_a_comment = stage != Stage::Finished;
    if let Some(sticky) = &mut case.sticky
        && !case.job.inputs.dry_run
        && (worth_a_comment || sticky.place().is_some())
    {
        // Of what has not begun, only the stage is remembered.
        let empty = Rollout::empty(&rollout.subject, rollout.started_at);
        let hand = Hand { released: true, ..case.hand.clone() };
        let record = Record { stage, hand, origin: case.job.context.origin.clone(), rollout: empty };
        let packed = match belief {
            Belief::Certain => state::encode(&record),
            Belief::Doubtful => String::new(),
        };
        let body = comment::render(&view(&checked.findings), &rollout.subject.comment_key, &packed);
        match first(sticky, &log::redact(&body, &case.job.inputs.token)).await {
            Ok(true) => {}
            Ok(false) => return Ok(Begun::Overtaken(Box::new(case))),
            Err(trouble @ (Trouble::Forbidden { .. } | Trouble::NotFound { .. } | Trouble::Refused { .. }))
                if stage == Stage::Preview || failing || reason.is_some() =>
            {
                log::notice(&format!("what was found is in log and job summary alone: {trouble}"));
                lacking = permissions::finding(&trouble).filter(|_| stage != Stage::Preview && failing);
                annotations::show(lacking.as_slice());
            }
            Err(trouble) => return Err(trouble.into()),
        }
    }
    let findings: Vec<Finding> = lacking.into_iter().chain(checked.findings.clone()).collect();
    let (result, pass) = ending(stage, failing, case.job.inputs.fail_on);
    let place = case.sticky.as_ref().and_then(Sticky::place);
    let view = view(&findings);
    let outputs = Outputs {
        result,
        deployments: outputs::rows(&rollout, &view.standings, &case.job.context.server_url),
        tally: view.tally(),
        pull_request: Some(case.pull.number),
        comment_id: place.map(|(id, _)| id),
        comment_url: place.map(|(_, url)| url.to_owned()),
    };
    Ok(Begun::Over(Over { outputs, summary: summary::render(&view), pass }))
}

/// The result of what does not begin, and whether the step passes.
fn ending(stage: Stage, failing: bool, fail_on: FailOn) -> (Outcome, bool) {
    match stage {
        _ if failing => (Outcome::Failed, false),
        Stage::Held => (Outcome::Held, fail_on == FailOn::Never),
        Stage::Finished => (Outcome::NothingToDeploy, true),
        _ => (Outcome::Skipped, true),
    }
}

/// Writes the comment of what does not begin. Tells whether it stands; if not, another process was quicker.
async fn first(sticky: &mut Sticky, body: &str) -> Result<bool, Trouble> {
    let new = sticky.place().is_none();
    Ok(sticky.write(body).await? && (!new || sticky.is_first().await?))
}

/// Shows the plan, and does nothing.
pub fn dry_run(case: &Case<'_>, rollout: &Rollout, checked: &Checked) -> Begun<'static> {
    let view = View::of(rollout, Stage::Preview, Watcher::Here, &case.job.context, case.github.now())
        .checked(&checked.findings, &checked.environments);
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
            deployments: outputs::rows(rollout, &view.standings, &case.job.context.server_url),
            tally: view.tally(),
            pull_request: Some(case.pull.number),
            ..Outputs::bare(Outcome::Skipped)
        },
        summary: summary::plan(&view),
        pass: true,
    })
}

/// Ends what is not deployed on purpose. A preview or a refusal that is true no longer is replaced by the reason.
pub async fn unwanted<'a>(case: Case<'a>, memory: &Memory, reason: &str) -> Result<Begun<'a>, Failure> {
    if *memory != Memory::NotBegun {
        return Ok(skipped(Some(case.pull.number), reason));
    }
    log::notice(reason);
    let nothing = Rollout::empty(&case.subject, case.github.now());
    over(case, nothing, &Checked::default(), Stage::Refused, Some(reason), Belief::Certain).await
}

/// How to go on once what was found is mended.
pub fn go_on(pull: &Pull) -> String {
    format!(
        "once it is mended, run this workflow by `workflow_dispatch` with `pull-request: {}`; for what lies outside the \
         repository, re-running this job is enough",
        pull.number
    )
}
