//! From the event to a rollout that can be followed: a fresh one, one that goes on, or the reason for none.

use crate::{
    Failure, cadence,
    context::{self, Context},
    event::{self, Trigger},
    files::Files,
    finding,
    fresh::{self, Memory},
    github::{Github, Patience, Pull, Trouble},
    given::Given,
    inputs::Inputs,
    observe::Observer,
    plan::{Companion, Subject},
    preflight, preview, pushed,
    report::{View, Watcher, annotations, log, outputs, outputs::Outputs, summary},
    resume::{self, Us, Verdict},
    rollout::{Deployment, End, Phase, Progress, Run},
    run::Time,
    state::{Hand, Record, Stage, Unreadable},
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
    let pulls = match (number, trigger) {
        (Some(number), trigger) => {
            let mut pull = match github.pull(number).await {
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
    with_pull(job, github, pulls, Some(given), merge_event).await
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
        let (sticky, found) = Sticky::open(&case.github, case.pull.number, &case.subject.comment_key).await?;
        case.sticky = Some(sticky);
        found
    } else {
        Found::Nothing
    };
    let (number, place) = (case.pull.number, case.sticky.as_ref().and_then(Sticky::place));
    let comment = place.map(|(id, url)| (id, url.to_owned()));
    go_on(case, found, given, merge_event).await.map_err(|failure| failure.about(number, comment))
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
fn afresh(given: Option<&Given>) -> Result<&Given, Failure> {
    given.ok_or_else(|| "a sweep begins no rollout".to_owned().into())
}

/// Two processes never share one: it comes from the system's own randomness.
fn nonce() -> String {
    let state = std::collections::hash_map::RandomState::new();
    let random = std::hash::BuildHasher::hash_one(&state, std::process::id());
    format!("{random:016x}")
}

/// Goes on from the state that was found. Where a living process holds the rollout it is waited for, and so
/// it is where one was quicker by a moment.
async fn go_on<'a>(
    mut case: Case<'a>,
    mut found: Found,
    given: Option<Given>,
    merge_event: bool,
) -> Result<Begun<'a>, Failure> {
    // Whom this process followed.
    let mut followed: Option<Hand> = None;
    loop {
        let begun = match next(&mut case, found, merge_event, followed.as_ref()).await? {
            Next::Afresh(memory) => fresh::start(case, afresh(given.as_ref())?, memory).await?,
            Next::Take(record) => take(case, *record, Vec::new()).await?,
            Next::Retry(record) => {
                let (record, lost) = retry(&case, *record).await?;
                take(case, record, lost).await?
            }
            Next::Over(over) => return Ok(Begun::Over(over)),
            Next::Follow(hand, over) => {
                if followed.as_ref() != Some(&hand) {
                    log::notice(&format!(
                        "run {} (attempt {}) follows this rollout; this one reports",
                        hand.run, hand.attempt
                    ));
                    followed = Some(hand);
                }
                case.job.files.outputs(&over.outputs.lines());
                if !case.job.inputs.wait {
                    return Ok(Begun::Over(over));
                }
                // The comment and the holder's attempt are asked for at each look.
                let interval = cadence::interval(case.job.inputs.poll_interval, u32::MAX, 2, &case.github.budget());
                case.job.patience.pause(interval, None).await?;
                Begun::Overtaken(Box::new(case))
            }
        };
        let Begun::Overtaken(back) = begun else {
            return Ok(begun);
        };
        case = *back;
        // Whatever made this process look again, it must not look in a hurry.
        case.job.patience.pause(case.job.tempo.retry_first, None).await?;
        found = reread(&mut case).await?;
        // A living holder writes a comment that was deleted or damaged anew: only it dispatches.
        while let (Some(hand), Found::Nothing | Found::Unreadable(Unreadable::Damaged(_))) = (&followed, &found)
            && !has_ended(&case.github, hand).await?
        {
            case.job.patience.pause(case.job.inputs.poll_interval, None).await?;
            found = reread(&mut case).await?;
        }
        if matches!(found, Found::Nothing) {
            // There was a state: what it knew must not be taken for nothing.
            found = Found::Unreadable(Unreadable::Damaged("the comment was deleted".to_owned()));
        }
    }
}

/// What the comment says now.
async fn reread(case: &mut Case<'_>) -> Result<Found, Trouble> {
    match &mut case.sticky {
        Some(sticky) => sticky.reread().await,
        None => Ok(Found::Nothing),
    }
}

/// What to do next about a state that was found.
enum Next {
    Afresh(Memory),
    Take(Box<Record>),
    Retry(Box<Record>),
    Over(Over),
    Follow(Hand, Over),
}

async fn next(case: &mut Case<'_>, found: Found, merge_event: bool, followed: Option<&Hand>) -> Result<Next, Failure> {
    let record = match found {
        Found::Nothing => return Ok(Next::Afresh(Memory::Nothing)),
        Found::Unreadable(error @ Unreadable::Newer(_)) => return Err(error.to_string().into()),
        Found::Unreadable(error) => return Ok(Next::Afresh(Memory::Unread(error.to_string()))),
        Found::Record(record) => *record,
    };
    let us = Us { subject: &case.subject, hand: &case.hand, origin: &case.job.context.origin, merge_event };
    Ok(match resume::judge(&record, &us) {
        Verdict::Afresh => Next::Afresh(Memory::NotBegun),
        Verdict::Foreign(why) => Next::Afresh(Memory::Unread(why)),
        Verdict::Taken(why) => return Err(why.into()),
        Verdict::Report => Next::Over(report(case, &record)),
        Verdict::Take => Next::Take(Box::new(record)),
        // What was followed to its end is tried again by the next attempt, not by this one.
        Verdict::Retry if followed.is_some() => Next::Over(report(case, &record)),
        Verdict::Retry => Next::Retry(Box::new(record)),
        Verdict::AskAbout(hand) if has_ended(&case.github, &hand).await? => Next::Take(Box::new(record)),
        Verdict::AskAbout(hand) => Next::Follow(hand, report(case, &record)),
    })
}

/// Whether the attempt that holds the rollout has ended, as GitHub tells.
async fn has_ended(github: &Github, hand: &Hand) -> Result<bool, Trouble> {
    match github.attempt(hand.run, hand.attempt).await {
        Ok(run) => Ok(run.completed()),
        // An attempt that runs cannot be deleted.
        Err(Trouble::NotFound { .. }) => match github.run(hand.run).await {
            Ok(run) => Ok(run.attempt > hand.attempt || run.completed()),
            Err(Trouble::NotFound { .. }) => Ok(true),
            Err(trouble) => Err(trouble),
        },
        Err(trouble) => Err(trouble),
    }
}

/// What a rollout that is not followed here has come to.
fn report(case: &Case<'_>, record: &Record) -> Over {
    let place = case.sticky.as_ref().and_then(Sticky::place);
    let mut over = as_told(&case.job, record, case.github.now());
    over.outputs.comment_id = place.map(|(id, _)| id);
    over.outputs.comment_url = place.map(|(_, url)| url.to_owned());
    over
}

/// What a rollout has come to as its state tells.
pub fn as_told(job: &Job<'_>, record: &Record, now: Time) -> Over {
    let view =
        View::of(&record.rollout, record.stage, Watcher::Later, &job.context, now).begun_by(record.hand.began().0);
    let tally = view.tally();
    Over {
        summary: summary::render(&view),
        outputs: Outputs {
            deployments: outputs::rows(&record.rollout, &view.standings, &job.context.server_url),
            tally,
            pull_request: Some(record.rollout.subject.pull_request),
            ..Outputs::bare(tally.result())
        },
        pass: !tally.fails(job.inputs.fail_on),
    }
}

/// Prepares a finished rollout for one more try of what did not succeed. It looks first: a run that people
/// re-ran meanwhile is adopted unless it has failed again, and a lost one is tried again only if its run still does
/// not exist. Lost ones of which no run was ever known are handed back as they were, for the case that this cannot be
/// told.
async fn retry(case: &Case<'_>, mut record: Record) -> Result<(Record, Vec<(usize, Deployment)>), Failure> {
    let mut unsure = Vec::new();
    let since = record.rollout.started_at;
    let mut observer = Observer::new(case.job.tempo.lost, false);
    let lost = record.rollout.deployments.iter().any(|deployment| deployment.run().is_none());
    let (runs, complete) =
        if lost { observer.titles(&case.github, &record.rollout, since).await? } else { (Vec::new(), true) };
    let ids: Vec<String> = record.rollout.deployments.iter().map(|deployment| record.rollout.id(deployment)).collect();
    for (index, (deployment, id)) in record.rollout.deployments.iter_mut().zip(ids).enumerate() {
        let Progress::Ended { end, run, .. } = &mut deployment.progress else {
            continue;
        };
        if *end == End::Succeeded {
            continue;
        }
        let mut rerun = false;
        if let Some(known) = run {
            match case.github.run(known.id).await {
                Ok(facts) => {
                    // One that failed again is tried like one that failed once; a lost one was never seen to fail.
                    let succeeded = facts.conclusion.as_deref() == Some("success");
                    rerun = !facts.completed() || succeeded || *end == End::Lost;
                    // A list that is older than this must not end it.
                    known.attempt = known.attempt.max(facts.attempt);
                }
                Err(Trouble::NotFound { .. }) => {}
                Err(trouble) => return Err(trouble.into()),
            }
        } else if let Some(facts) = runs.iter().find(|facts| {
            facts.is_dispatch_of(&deployment.planned.workflow)
                && crate::identity::ids_in(&facts.title).any(|word| word == id)
        }) {
            *run = Some(Run { id: facts.id, attempt: facts.attempt, phase: Phase::Running });
            rerun = true;
        }
        let unseen =
            deployment.run().is_none() && matches!(deployment.progress, Progress::Ended { end: End::Lost, .. });
        if unseen && !complete {
            resume::stay_lost(deployment, "the list of its workflow's runs is too long to be read");
            continue;
        }
        if unseen {
            unsure.push((index, deployment.clone()));
        }
        resume::try_again(deployment, rerun);
    }
    record.stage = Stage::Live;
    Ok((record, unsure))
}

/// Takes a rollout over: what is still to be dispatched passes preflight again first. `lost` deployments are tried
/// again only where the titles of runs show ids, since elsewhere nobody knows whether theirs exists.
async fn take<'a>(
    mut case: Case<'a>,
    mut record: Record,
    lost: Vec<(usize, Deployment)>,
) -> Result<Begun<'a>, Failure> {
    case.hand = case.hand.after(&record.hand);
    let resend = record.hand.run == case.hand.run && case.hand.attempt > record.hand.attempt;
    let now = case.github.now();
    record.rollout.deployments.iter_mut().for_each(|deployment| resume::doubt(deployment, now));
    let checked = preflight::check(&case.github, &record.rollout, case.job.inputs.environment_check, None).await?;
    let barred = finding::errors(&checked.findings).then(|| "the checks found errors".to_owned());
    for (index, before) in lost {
        let again = record.rollout.deployments.get(index);
        if again.is_some_and(|again| !checked.shows_id(&record.rollout, again))
            && let Some(again) = record.rollout.deployments.get_mut(index)
        {
            *again = before;
            resume::stay_lost(again, "the titles of its workflow's runs show no ids");
        }
    }
    annotations::show(&checked.findings);
    tracing::info!(
        "going on with the rollout of pull request #{} begun by run {}",
        case.pull.number,
        record.hand.began().0
    );
    let observer = Observer::new(case.job.tempo.lost, resend);
    let mut watch = fresh::watch(case, record.rollout, record.origin, checked, observer);
    watch.barred = barred;
    fresh::hold(watch).await
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
