//! The sweep: one pass over every unfinished rollout of the repository, for a cron that replaces the waiting
//! job, so that approvals that take days cost no runner.
//!
//! Rollouts are found through the comments that changed last. Nothing is planned here: what has not begun is
//! left to the event that begins it.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::{
    Failure,
    begin::{self, Begun, Job, Over},
    github::{Github, Trouble},
    report::{comment, outputs, outputs::Outputs, summary},
    state::{self, Stage},
    tally::Tally,
    watch::Ended,
};

/// How far back comments are looked at: a gate closes after 30 days.
const DAYS_BACK: i64 = 35;
/// Pages of a hundred comments that are read at most.
const MOST_PAGES: u32 = 20;

/// What the sweep has come to so far.
#[derive(Default)]
struct Gathered {
    rows: Vec<outputs::Row>,
    tally: Tally,
    summaries: Vec<String>,
    troubled: bool,
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
    let github = Github::new(&job.context, job.inputs, job.tempo, job.patience.clone())?;
    let pulls = unfinished(&job, &github).await?;
    tracing::info!("{} unfinished rollouts found", pulls.len());
    let mut gathered = Gathered::default();
    for pull in pulls {
        match one(&job, &github, pull, &mut gathered).await {
            Ok(()) => {}
            Err(Failure::Trouble(
                trouble @ (Trouble::Stopped | Trouble::OutOfTime { .. } | Trouble::Unauthorized(_)),
            )) => {
                return Err(trouble.into());
            }
            Err(failure) => {
                tracing::error!("pull request #{pull}: {failure}");
                gathered.troubled = true;
            }
        }
    }
    let Gathered { rows, tally, summaries, troubled } = gathered;
    let text =
        if summaries.is_empty() { summary::sentence("No rollout is unfinished") } else { summary::join(summaries) };
    Ok(Over {
        outputs: Outputs { deployments: rows, tally, ..Outputs::bare(tally.result()) },
        summary: text,
        pass: !troubled && !tally.fails(job.inputs.fail_on),
    })
}

/// The pull requests with a live state in a comment of ours.
async fn unfinished(job: &Job<'_>, github: &Github) -> Result<BTreeSet<u64>, Trouble> {
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
    let key = &job.inputs.comment_key;
    let live = |body: &str| {
        let record = comment::state_in(body).and_then(|packed| state::decode(packed).ok())?;
        (record.stage == Stage::Live).then_some(record.rollout.subject.pull_request)
    };
    Ok(comments
        .iter()
        .filter(|(_, comment)| comment.author.is(&viewer) && comment::is_ours(&comment.body, key))
        // The comment's own place decides, not what its state says.
        .filter_map(|(pull, comment)| live(&comment.body).filter(|named| named == pull))
        .collect())
}

/// One pass over one rollout.
async fn one(job: &Job<'_>, github: &Github, number: u64, gathered: &mut Gathered) -> Result<(), Failure> {
    let pull = github.pull(number).await?;
    match begin::with_pull(job.clone(), github.clone(), vec![pull], None, false).await? {
        Begun::Watch(mut watch) => {
            let ended = watch.run().await;
            watch.annotate();
            let standings = watch.rollout.standings();
            let outputs = watch.outputs(&standings);
            gathered.add(number, outputs, watch.summary_text(&ended));
            match ended {
                Ended::Stopped => Err(Trouble::Stopped.into()),
                Ended::TimedOut => Err(Trouble::OutOfTime { last: None }.into()),
                Ended::Barred(why) | Ended::Broken(why) => Err(why.into()),
                Ended::Overtaken => Ok(()),
                Ended::Finished | Ended::OnePass => Ok(()),
            }
        }
        Begun::Over(over) => {
            gathered.add(number, over.outputs, over.summary);
            Ok(())
        }
        Begun::Overtaken(_) => Ok(()),
    }
}

impl Gathered {
    fn add(&mut self, pull: u64, outputs: Outputs, summary: String) {
        let Tally { succeeded, failed, rejected, cancelled, skipped, pending } = outputs.tally;
        self.tally.succeeded += succeeded;
        self.tally.failed += failed;
        self.tally.rejected += rejected;
        self.tally.cancelled += cancelled;
        self.tally.skipped += skipped;
        self.tally.pending += pending;
        self.rows.extend(outputs.deployments.into_iter().map(|row| outputs::Row { pull_request: Some(pull), ..row }));
        self.summaries.push(summary);
    }
}
