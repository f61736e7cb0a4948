//! From the event to a rollout that can be followed: a fresh one, one that goes on, or the reason for none.

use crate::{
    Failure,
    context::{self, Context},
    event::{self, Trigger},
    files::Files,
    github::{Github, Patience, Pull, Trouble},
    given::Given,
    going_on,
    inputs::Inputs,
    plan::{Companion, Subject},
    preview, pushed,
    report::{log, outputs::Outputs, summary},
    state::Hand,
    sticky::{Found, Sticky},
    sweep,
    tally::Outcome,
    tempo::Tempo,
    watch::Watch,
};

/// Everything a run of the action is given.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The inputs.
    pub inputs: &'a Inputs,
    /// Where this runs.
    pub context: Context,
    /// The runner's files.
    pub files: &'a Files,
    /// Durations.
    pub tempo: Tempo,
    /// How long to try.
    pub patience: Patience,
}

/// What came of beginning.
#[derive(Debug)]
pub enum Begun<'a> {
    /// A rollout to follow.
    Watch(Box<Watch<'a>>),
    /// Another process took it at the same moment.
    Overtaken(Box<Case<'a>>),
    /// Nothing to follow: it is over already.
    Over(Over),
}

/// An end without following.
#[derive(Debug)]
pub struct Over {
    /// The outputs.
    pub outputs: Outputs,
    /// The job summary.
    pub summary: String,
    /// Whether the step passes.
    pub pass: bool,
}

/// A job that knows its pull request.
#[derive(Debug)]
pub struct Case<'a> {
    /// The job.
    pub job: Job<'a>,
    /// The API.
    pub github: Github,
    /// The pull request.
    pub pull: Pull,
    /// Others that the same push merged, such as a merge queue's: one rollout deploys all.
    pub together: Vec<Pull>,
    /// What the rollout is about.
    pub subject: Subject,
    /// This process.
    pub hand: Hand,
    /// The comment, unless `comment` is `false`.
    pub sticky: Option<Sticky>,
}

/// Does all that comes before the first pass.
///
/// # Errors
/// Mistakes in what was given, or GitHub cannot be asked.
pub async fn begin(mut job: Job<'_>) -> Result<Begun<'_>, Failure> {
    let event = event::read(&job.context.event_path, &job.context.event_name, job.inputs.pull_request)?;
    if job.context.repository.is_empty() {
        let named = event.repository.filter(|name| context::is_repository(name));
        job.context.repository = named
            .ok_or_else(|| "neither variable `GITHUB_REPOSITORY` nor the event names the repository".to_owned())?;
    }
    let (number, merge_event) = match event.trigger {
        Trigger::Nothing { number, reason } => return Ok(skipped(number, &reason)),
        Trigger::Closed { number, .. } => (Some(number), true),
        Trigger::Pushed(_) => (None, true),
        Trigger::Preview { number } | Trigger::Asked { number } => (Some(number), false),
        Trigger::Sweep => return sweep::run(job).await.map(Begun::Over),
    };
    let begun = begin_with(job, number, event.trigger, merge_event).await;
    begun.map_err(|failure| match number {
        Some(number) => failure.about(number, None),
        None => failure,
    })
}

async fn begin_with(
    job: Job<'_>,
    number: Option<u64>,
    trigger: Trigger,
    merge_event: bool,
) -> Result<Begun<'_>, Failure> {
    let only_preview = matches!(trigger, Trigger::Preview { .. });
    let given = Given::read(job.inputs, &job.context).map_err(Failure::Mistakes)?;
    let github = Github::new(&job.context, job.inputs, job.tempo, job.patience.clone())?;
    let mut opened = None;
    let pulls = match (number, trigger) {
        (Some(number), trigger) => {
            let early = matches!(trigger, Trigger::Closed { merged: true, .. } | Trigger::Asked { .. });
            let comment = async {
                let wanted = early && job.inputs.comment && !job.inputs.dry_run;
                if wanted { Some(Sticky::open(&github, number, &job.inputs.comment_key).await) } else { None }
            };
            let (pull, comment) = futures_util::future::join(github.pull(number), comment).await;
            opened = comment;
            let mut pull = match pull {
                Err(Trouble::NotFound { .. }) if matches!(trigger, Trigger::Asked { .. }) => {
                    let what = "this repository has no such pull request, or the token may not read it";
                    return Err(format!("input `pull-request` is `{number}`: {what} (HTTP 404)").into());
                }
                other => other?,
            };
            if let Trigger::Closed { merged, merge_commit, .. } = trigger {
                pull = closed(&job, &github, pull, merged, merge_commit).await?;
            }
            if only_preview && !pull.open {
                // The event that merged it deploys it; this one only shows, however late it comes.
                let reason = format!("pull request #{number} is open no longer, and this event only shows a preview");
                return Ok(skipped(Some(number), &reason));
            }
            vec![pull]
        }
        (None, Trigger::Pushed(push)) => {
            let pulls = pushed::merged(&job, &github, &push).await?;
            if pulls.is_empty() {
                return Ok(skipped(None, &format!("the push to `{}` belongs to no merged pull request", push.branch)));
            }
            pulls
        }
        (None, _) => return Err("the event names no pull request".to_owned().into()),
    };
    with_pull(job, github, pulls, Some(given), merge_event, opened).await
}

/// A pull request that the event says was closed, once GitHub says so too: an answer that is older than the event must
/// make neither a preview of it nor pass it over.
async fn closed(
    job: &Job<'_>,
    github: &Github,
    mut pull: Pull,
    merged: bool,
    merge_commit: Option<String>,
) -> Result<Pull, Failure> {
    let number = pull.number;
    let old = |pull: &Pull| {
        pull.open
            || (merged && (pull.merged_at.is_none() || pull.merge_commit.as_ref().or(merge_commit.as_ref()).is_none()))
    };
    let mut left = job.tempo.push_link;
    while old(&pull) && !left.is_zero() {
        left = left.saturating_sub(job.tempo.push_link / 12);
        job.patience.pause(job.tempo.push_link / 12, None).await?;
        pull = github.pull(number).await?;
    }
    if pull.open || (merged && pull.merged_at.is_none()) {
        let says = if pull.open { "it is open" } else { "it is not merged" };
        let what = format!("pull request #{number} was closed by the event, and GitHub still says {says}");
        return Err(format!("{what}: re-run this job if it is merged").into());
    }
    pull.merge_commit = pull.merge_commit.or(merge_commit);
    Ok(pull)
}

/// The comment of a pull request, where it was looked for together with that: it saves a request's time.
type Opened = Option<Result<(Sticky, Found), Trouble>>;

/// Begins for a pull request that is known. Where nothing is `given`, nothing new can begin.
///
/// # Errors
/// As [`begin`].
pub async fn with_pull<'a>(
    job: Job<'a>,
    github: Github,
    mut pulls: Vec<Pull>,
    given: Option<Given>,
    merge_event: bool,
    opened: Opened,
) -> Result<Begun<'a>, Failure> {
    let pull = pulls.pop().ok_or_else(|| "the event names no pull request".to_owned())?;
    let together = pulls;
    if !together.is_empty() {
        let names: Vec<String> = together.iter().map(|pull| format!("#{}", pull.number)).collect();
        log::notice(&format!(
            "the push merged {} too: one rollout for all, on the comment of #{}",
            names.join(", "),
            pull.number
        ));
    }
    let merge_commit = match (&pull.merge_commit, pull.merged_at) {
        (Some(commit), Some(_)) if event::is_commit(commit) => commit.clone(),
        (_, Some(_)) => {
            return Err(format!("pull request #{} is merged, and GitHub tells no merge commit", pull.number).into());
        }
        (_, None) if pull.open && merge_event => {
            let what =
                format!("pull request #{} was merged by this push, and GitHub still says it is open", pull.number);
            return Err(format!("{what}: re-run this job").into());
        }
        (_, None) if pull.open => return preview::preview(job, github, pull, afresh(given.as_ref())?).await,
        (_, None) => {
            return Ok(skipped(
                Some(pull.number),
                &format!("pull request #{} was closed without being merged", pull.number),
            ));
        }
    };
    let companions = together.iter().map(companion).collect();
    let subject = Subject { together: companions, ..subject(&job, &pull, merge_commit) };
    let hand = Hand { run: job.context.run_id, attempt: job.context.run_attempt, nonce: nonce(), ..Hand::default() };
    let mut case = Case { job, github, pull, together, subject, hand, sticky: None };
    let found = if case.job.inputs.comment && !case.job.inputs.dry_run {
        let (sticky, found) = match opened {
            Some(opened) => opened?,
            None => Sticky::open(&case.github, case.pull.number, &case.subject.comment_key).await?,
        };
        case.sticky = Some(sticky);
        found
    } else {
        Found::Nothing
    };
    let (number, place) = (case.pull.number, case.sticky.as_ref().and_then(Sticky::place));
    let comment = place.map(|(id, url)| (id, url.to_owned()));
    going_on::go_on(case, found, given, merge_event).await.map_err(|failure| failure.about(number, comment))
}

/// What a rollout of this pull request is about.
pub fn subject(job: &Job<'_>, pull: &Pull, merge_commit: String) -> Subject {
    Subject {
        repository: job.context.repository.clone(),
        pull_request: pull.number,
        merge_commit,
        head_sha: pull.head_sha.clone(),
        base_ref: pull.base_ref.clone(),
        comment_key: job.inputs.comment_key.clone(),
        author: pull.author.clone(),
        merged_by: pull.merged_by.clone(),
        ..Subject::default()
    }
}

/// What is remembered of a pull request that was merged together with another.
fn companion(pull: &Pull) -> Companion {
    Companion { number: pull.number, author: pull.author.clone(), merged_by: pull.merged_by.clone() }
}

/// What a new rollout is made of.
pub fn afresh(given: Option<&Given>) -> Result<&Given, Failure> {
    given.ok_or_else(|| "a sweep begins no rollout".to_owned().into())
}

/// Two processes never share one: it comes from the system's own randomness.
fn nonce() -> String {
    let state = std::collections::hash_map::RandomState::new();
    let random = std::hash::BuildHasher::hash_one(&state, std::process::id());
    format!("{random:016x}")
}

/// An end that is on purpose.
pub fn skipped(pull_request: Option<u64>, reason: &str) -> Begun<'static> {
    log::notice(reason);
    Begun::Over(Over {
        outputs: Outputs { pull_request, ..Outputs::bare(Outcome::Skipped) },
        summary: summary::sentence(reason),
        pass: true,
    })
}
