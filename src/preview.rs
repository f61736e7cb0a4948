//! An open pull request: what its merge would deploy, and whose approval that would need. Nothing is
//! dispatched, so no `actions: write` is needed.

use futures_util::future::try_join;

use crate::{
    Failure,
    begin::{Begun, Case, Job, skipped, subject},
    finding,
    fresh::prepare,
    github::{Github, Pull, Trouble},
    given::{Basis, Given},
    preflight::Checked,
    report::{annotations, log},
    rollout::Rollout,
    state::{Hand, Stage},
    sticky::{Found, Sticky},
    unbegun::{Belief, dry_run, over},
    wanted::{elsewhere, labelled_off},
};

/// Shows on an open pull request what a merge would deploy. It never overwrites a live state.
///
/// # Errors
/// GitHub cannot be asked.
pub async fn preview<'a>(job: Job<'a>, github: Github, pull: Pull, given: &Given) -> Result<Begun<'a>, Failure> {
    let pull = github.tested(pull).await?;
    let merge_commit = pull.test_merge().unwrap_or(&pull.head_sha).to_owned();
    let subject = subject(&job, &pull, merge_commit);
    let hand = Hand { run: job.context.run_id, attempt: job.context.run_attempt, ..Hand::default() };
    let (reason, basis) = match labelled_off(&pull, job.inputs) {
        Some(reason) => (Some(reason), Basis::default()),
        None => {
            let config = given.config(&github, job.inputs, &pull, &subject.merge_commit).await?;
            match config.as_ref().ok().and_then(|config| elsewhere(&pull, config)) {
                Some(reason) => (Some(reason), Basis::default()),
                None => (None, given.basis(&github, config, &[&pull], &subject.merge_commit).await?),
            }
        }
    };
    let (rollout, checked) = match reason {
        Some(_) => (Rollout::empty(&subject, github.now()), Checked::default()),
        None => prepare(&github, &pull, &subject, &basis, job.inputs).await?,
    };
    annotations::show(&checked.findings);
    let mut case = Case { job, github, pull, together: Vec::new(), subject, hand, sticky: None };
    if case.job.inputs.dry_run && !finding::errors(&checked.findings) {
        if let Some(reason) = &reason {
            return Ok(skipped(Some(case.pull.number), &format!("a merge would deploy nothing: {reason}")));
        }
        return Ok(dry_run(&case, &rollout, &checked));
    }
    loop {
        if case.job.inputs.comment && !case.job.inputs.dry_run {
            case.sticky = comment(&case).await?;
        }
        let none = case.sticky.as_ref().is_none_or(|sticky| sticky.place().is_none());
        if let Some(reason) = reason.as_ref().filter(|_| none) {
            return Ok(skipped(Some(case.pull.number), &format!("a merge would deploy nothing: {reason}")));
        }
        // What an earlier preview said is true no longer.
        match over(case, rollout.clone(), &checked, Stage::Preview, reason.as_deref(), Belief::Certain).await? {
            Begun::Overtaken(back) => case = *back,
            begun => return Ok(begun),
        }
        case.job.patience.pause(case.job.tempo.retry_first, None).await?;
    }
}

/// The comment, if a preview may still write it. It is looked for last of all, since checks take time, in
/// which the pull request may have been merged: what the merge's own run says must stand.
async fn comment(case: &Case<'_>) -> Result<Option<Sticky>, Trouble> {
    let number = case.pull.number;
    let looked =
        try_join(Sticky::open(&case.github, number, &case.subject.comment_key), case.github.pull(number)).await;
    let ((sticky, found), now) = match looked {
        Err(trouble @ (Trouble::Forbidden { .. } | Trouble::NotFound { .. } | Trouble::Refused { .. })) => {
            log::notice(&format!("the preview is in the job summary alone: {trouble}"));
            return Ok(None);
        }
        other => other?,
    };
    let live = matches!(&found, Found::Record(record) if matches!(record.stage, Stage::Live | Stage::Finished));
    if live || !now.open {
        log::notice(&format!("pull request #{number} is open no longer: its comment is left as it is"));
        return Ok(None);
    }
    Ok(Some(sticky))
}
