//! Going on from what a comment says: beside a living holder, in the place of one that has ended, or with a new try.

use crate::{
    Failure,
    begin::{Begun, Case, Job, Over, afresh},
    cadence, finding,
    fresh::{self, Memory},
    github::{Github, Trouble},
    given::Given,
    observe::Observer,
    preflight,
    report::{View, Watcher, annotations, log, outputs, outputs::Outputs, summary},
    resume::{self, Us, Verdict},
    rollout::{Deployment, End, Phase, Progress, Run},
    run::Time,
    state::{Hand, Record, Stage, Unreadable},
    sticky::{Found, Sticky},
};

/// Goes on from the state that was found. Where a living process holds the rollout it is waited for, and so
/// it is where one was quicker by a moment.
pub async fn go_on<'a>(
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
    let lost = |deployment: &Deployment| matches!(deployment.progress, Progress::Ended { end: End::Lost, .. });
    let (mut runs, mut complete) = observer.titles(&case.github, &record.rollout, since).await?;
    if record.rollout.deployments.iter().any(lost) {
        // A list may be old: what it lacks is looked for twice.
        case.github.wait(case.job.tempo.late).await?;
        (runs, complete) = observer.titles(&case.github, &record.rollout, since).await?;
    }
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
                    // The list and the run itself: one of them may be old.
                    let listed = runs.iter().find(|listed| listed.id == facts.id && listed.attempt > facts.attempt);
                    let facts = listed.cloned().unwrap_or(facts);
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
