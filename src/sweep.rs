//! The sweep: one pass over every unfinished rollout of the repository, for a cron that replaces the waiting
//! job, so that approvals that take days cost no runner.
//!
//! Rollouts are found through the comments that changed last. Nothing is planned here: what has not begun is
//! left to the event that begins it. Whatever ends a sweep, its outputs hold every rollout it found: those
//! whose pass was not made are as their states tell.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::{
    Failure,
    begin::{self, Begun, Job, Over},
    decide::{self, Decision},
    github::{Comment, Github, Trouble},
    going_on,
    inputs::{OnCancel, OnTimeout},
    observe::Observer,
    report::{comment, outputs, outputs::Outputs, summary},
    run::Time,
    state::{Record, Stage, Unreadable},
    sticky,
    tally::{Outcome, Tally},
    watch::Ended,
};

/// How far back comments are looked at: a gate closes after 30 days.
const DAYS_BACK: i64 = 35;
/// Pages of a hundred comments that are read at most.
const MOST_PAGES: u32 = 20;

/// What the sweep has come to so far.
#[derive(Default)]
struct Swept {
    /// Each rollout by its pull request, as its state tells until its pass was made.
    rollouts: BTreeMap<u64, Over>,
    /// A pass could not be made.
    troubled: bool,
    /// A state could not be read, and may well hold a rollout.
    refused: bool,
}

/// Makes one pass over each.
///
/// # Errors
/// `wait` is not `false`, or GitHub cannot be asked for the comments.
pub async fn run(job: Job<'_>) -> Result<Over, Failure> {
    if job.inputs.wait {
        return Err("input `pull-request` is empty and the event has no pull request: name it, or set `wait: false` \
                    for one pass over every unfinished rollout"
            .to_owned()
            .into());
    }
    if !job.inputs.comment {
        return Err("input `comment` is `false`: a sweep finds rollouts by their comments, so leave it out or name a \
                    `pull-request`"
            .to_owned()
            .into());
    }
    let github = Github::new(&job.context, job.inputs, job.tempo, job.patience.clone())?;
    let (mut swept, live) = unfinished(&job, &github).await?;
    tracing::info!("{} unfinished rollouts found", swept.rollouts.len());
    if job.inputs.dry_run {
        let result = if swept.refused { Outcome::Failed } else { Outcome::Skipped };
        let outputs = Outputs { result, ..swept.outputs() };
        return Ok(Over { pass: !swept.refused, summary: swept.summary(), outputs });
    }
    job.files.outputs(&swept.outputs().lines());
    let files = job.files.part();
    let part = Job { files: &files, ..job.clone() };
    // One for all, since rollouts share their workflows' lists.
    let mut observer = Observer::new(job.tempo.lost, false);
    let mut interrupted = None;
    for (pull, found) in live {
        let (over, trouble) = match is_still(&job, &github, &mut observer, &found).await {
            Ok(true) => {
                tracing::info!("pull request #{pull}: nothing new");
                continue;
            }
            Ok(false) => one(&part, &github, pull).await,
            Err(trouble) => (None, Some(trouble.into())),
        };
        if let Some(over) = over {
            swept.rollouts.insert(pull, over);
        }
        job.files.outputs(&swept.outputs().lines());
        match trouble {
            None => {}
            Some(Failure::Trouble(
                trouble @ (Trouble::Stopped | Trouble::OutOfTime { .. } | Trouble::Unauthorized(_)),
            )) => {
                tracing::error!("pull request #{pull}: {trouble}; this and later ones are shown as their states tell");
                interrupted = Some(trouble);
                break;
            }
            Some(failure) => {
                tracing::error!("pull request #{pull}: {failure}");
                swept.troubled = true;
            }
        }
    }
    let outputs = swept.outputs();
    let in_time = match interrupted {
        None => true,
        Some(Trouble::OutOfTime { .. }) => job.inputs.on_timeout == OnTimeout::Detach,
        Some(_) => false,
    };
    let pass = in_time && !swept.troubled && !swept.refused && !outputs.tally.fails(job.inputs.fail_on);
    Ok(Over { pass, summary: swept.summary(), outputs })
}

/// A live state, and when it was written.
struct Live {
    record: Record,
    written: Option<Time>,
}

/// Whether there is nothing to do about a rollout: nobody holds it, nothing is to be dispatched, and no run has moved
/// since its comment was written. That comment is true still.
async fn is_still(job: &Job<'_>, github: &Github, observer: &mut Observer, live: &Live) -> Result<bool, Trouble> {
    let rollout = &live.record.rollout;
    let next = decide::decide(rollout, &rollout.standings(), job.inputs.max_parallel);
    let (Some(written), true) = (live.written, live.record.hand.released && next == Decision::default()) else {
        return Ok(false);
    };
    observer.is_still(github, rollout, written, job.tempo.lost).await
}

/// The rollouts with a live state in a comment of ours. What cannot be read is told.
async fn unfinished(job: &Job<'_>, github: &Github) -> Result<(Swept, BTreeMap<u64, Live>), Trouble> {
    let viewer = github.viewer().await?;
    let since = github.now() - TimeDelta::days(DAYS_BACK);
    let (comments, all) = github.recent_comments(since, MOST_PAGES).await?;
    if !all {
        tracing::warn!(
            "only the {} comments that changed last were looked at: an older unfinished rollout needs a run with \
             `pull-request`",
            comments.len()
        );
    }
    // The oldest of ours rules; others with our marker are copies that lost.
    let mut ours = BTreeMap::new();
    for (pull, comment) in comments {
        let is_ours = comment.author.is(&viewer) && comment::is_ours(&comment.body, &job.inputs.comment_key);
        if is_ours && ours.get(&pull).is_none_or(|known: &Comment| comment.id < known.id) {
            ours.insert(pull, comment);
        }
    }
    let mut swept = Swept::default();
    let mut live = BTreeMap::new();
    for (pull, comment) in ours {
        match read(pull, &comment.body) {
            Ok(record) if record.stage == Stage::Live => {
                swept.rollouts.insert(pull, going_on::as_told(job, &record, github.now()));
                live.insert(pull, Live { record, written: comment.updated_at });
            }
            Ok(_) => {}
            Err(newer @ Unreadable::Newer(_)) => {
                tracing::error!("pull request #{pull}: {newer}");
                swept.refused = true;
            }
            Err(damaged @ Unreadable::Damaged(_)) => {
                tracing::warn!(
                    "pull request #{pull}: {damaged}; if a rollout is unfinished there, run this with `pull-request: {pull}`"
                );
            }
        }
    }
    Ok((swept, live))
}

/// The comment's own place decides, not what its state says.
fn read(pull: u64, body: &str) -> Result<Record, Unreadable> {
    let record = sticky::remembered(body)?;
    match record.rollout.subject.pull_request {
        named if named == pull => Ok(record),
        named => Err(Unreadable::Damaged(format!("it is of pull request #{named}"))),
    }
}

/// One pass over one rollout: what it came to, and what ended it.
async fn one(job: &Job<'_>, github: &Github, number: u64) -> (Option<Over>, Option<Failure>) {
    let begun = async {
        let pull = github.pull(number).await?;
        begin::with_pull(job.clone(), github.clone(), vec![pull], None, false, None).await
    };
    let mut watch = match begun.await {
        Ok(Begun::Watch(watch)) => watch,
        Ok(Begun::Over(over)) => return (Some(over), None),
        Ok(Begun::Overtaken(_)) => return (None, None),
        Err(failure) => return (None, Some(failure.bare())),
    };
    let ended = watch.run().await;
    watch.annotate();
    // Runs are left alone whatever `on-cancel` says: the next sweep goes on with them.
    let trouble: Option<Failure> = match &ended {
        Ended::Finished | Ended::OnePass | Ended::Overtaken => {
            watch.save(true);
            watch.barred.clone().map(Failure::from)
        }
        Ended::Stopped => {
            watch.leave("the job was cancelled", OnCancel::Leave).await;
            Some(Trouble::Stopped.into())
        }
        Ended::TimedOut => {
            watch.leave("the time-out is over", OnCancel::Leave).await;
            Some(Trouble::OutOfTime { last: None }.into())
        }
        Ended::Barred(why) => {
            if let Err(trouble) = watch.refuse().await {
                tracing::warn!("the comment could not be brought up to date: {trouble}");
            }
            watch.save(true);
            Some(why.clone().into())
        }
        Ended::Broken(why) => {
            watch.leave(why, OnCancel::Leave).await;
            Some(why.clone().into())
        }
    };
    let outputs = watch.outputs(&watch.rollout.standings());
    let over = Over { pass: trouble.is_none(), summary: watch.summary_text(&ended), outputs };
    (Some(over), trouble)
}

impl Swept {
    /// All rollouts as one.
    fn outputs(&self) -> Outputs {
        let mut tally = Tally::default();
        let mut rows = Vec::new();
        for (pull, over) in &self.rollouts {
            tally += over.outputs.tally;
            let own = over.outputs.deployments.iter().cloned();
            rows.extend(own.map(|row| outputs::Row { pull_request: Some(*pull), ..row }));
        }
        let failed = self.refused || self.rollouts.values().any(|over| over.outputs.result == Outcome::Failed);
        let result = if failed { Outcome::Failed } else { tally.result() };
        Outputs { deployments: rows, tally, ..Outputs::bare(result) }
    }

    fn summary(&self) -> String {
        if self.rollouts.is_empty() {
            return summary::sentence("No rollout is unfinished");
        }
        summary::join(self.rollouts.values().map(|over| over.summary.clone()).collect())
    }
}
