//! What can be done next, and who watches: how to try again, how to release, what a lost run means.

use chrono::TimeDelta;

use super::{View, Watcher, escape, fold, words};
use crate::{
    plan::{ID_MARK, Planned},
    rollout::{Progress, Rollout, Status},
    run::Time,
    state::Stage,
};

/// Right below the headline: why nothing is deployed, how it is released.
pub fn lead(view: &View<'_>) -> String {
    match (view.reason, view.held()) {
        (Some(reason), _) => format!("\n{}.\n", escape::prose(&words::capital(reason))),
        (None, Some(finding)) if !view.broken() && view.stage == Stage::Preview => {
            format!("\n{}.\n", escape::prose(&finding.remedy))
        }
        (None, Some(finding)) if view.stage == Stage::Held => {
            format!("\n{} of [this run]({}).\n", escape::prose(&finding.remedy), view.run_url)
        }
        _ => String::new(),
    }
}

/// Right below the headline, where it does not go on by itself: nobody watches, or nothing more may be dispatched.
pub fn halted(view: &View<'_>) -> String {
    match &view.watcher {
        Watcher::Nobody(why) if view.stage != Stage::Finished => unwatched(view, why),
        Watcher::Here | Watcher::Later if view.stage == Stage::Live && view.broken() => barred(view),
        _ => String::new(),
    }
}

/// Errors were found when deployments had been dispatched already.
fn barred(view: &View<'_>) -> String {
    match view.count(Status::Blocked) {
        0 => String::new(),
        number => format!(
            "\n> [!WARNING]\n> **Nothing more is dispatched**: {} until what the checks found is mended, as told \
             below. What is under way goes on.\n",
            if number == 1 { "1 deployment waits".to_owned() } else { format!("{number} deployments wait") }
        ),
    }
}

/// What is shown may be out of date.
fn unwatched(view: &View<'_>, why: &str) -> String {
    let blocked = match view.count(Status::Blocked) {
        0 => String::new(),
        1 => ", and 1 blocked deployment is not dispatched,".to_owned(),
        number => format!(", and {number} blocked deployments are not dispatched,"),
    };
    format!(
        "\n> [!WARNING]\n> **Nobody is watching any more** ({}). What is under way goes on by itself; this comment \
         stays as it is{blocked} until the [job]({}) is re-run or a sweep looks: it goes on from here, and dispatches \
         nothing twice.\n",
        escape::prose(&escape::short(why, 300)),
        view.job_url
    )
}

/// How to go on, where something did not succeed or did not begin.
pub fn how(view: &View<'_>) -> String {
    let lines = match view.stage {
        Stage::Preview | Stage::Held => Vec::new(),
        Stage::Refused if view.reason.is_some() => vec![format!(
            "To deploy it all the same, change that; then re-run the [job]({}), or run this workflow by \
             `workflow_dispatch` with `pull-request: {}`.",
            view.run_url, view.rollout.subject.pull_request
        )],
        Stage::Refused => refused(view),
        Stage::Live | Stage::Finished => again(view),
    };
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = lines.into_iter().map(|line| format!("- {line}\n")).collect();
    format!("\n#### How to go on\n\n{}", lines.concat())
}

fn refused(view: &View<'_>) -> Vec<String> {
    vec![
        format!(
            "What is mended in the repository: run this workflow by `workflow_dispatch` with `pull-request: {}`.",
            view.rollout.subject.pull_request
        ),
        format!(
            "What is mended outside it (environments, settings): re-running the [job]({}) is enough.",
            view.run_url
        ),
    ]
}

/// What re-running does about each way of ending badly.
fn again(view: &View<'_>) -> Vec<String> {
    let tally = view.tally();
    if tally.failed + tally.rejected + tally.cancelled == 0 {
        return Vec::new();
    }
    // A sweep that finished it is not the job that tries it again.
    let job = format!("[job that began it]({})", view.job_url);
    if too_old(view) {
        return by_hand(view, &job);
    }
    let mut lines = vec![if view.stage == Stage::Finished {
        format!(
            "Re-run the {job}: it tries once more what did not succeed, with what was skipped because of it. What \
             succeeded is kept."
        )
    } else {
        format!(
            "A failed run may be re-run by hand now: it is followed. When all have ended, re-running the {job} tries \
             once more what did not succeed."
        )
    }];
    if view.count(Status::Rejected) > 0 {
        lines.push("What was rejected asks its reviewers again; without a re-run it stays undone.".to_owned());
    }
    if view.count(Status::Lost) > 0 {
        lines.push(format!(
            "{LOOK_FIRST}. A re-run looks for its run once more, and dispatches again only where GitHub has none."
        ));
    }
    lines
}

/// What is to be done about what is lost, whatever comes then.
const LOOK_FIRST: &str = "Whether what is lost was applied is not known: look at the infrastructure itself first";

/// Whether the job that began the rollout can be re-run no more: GitHub allows that for 30 days. A gate that nobody
/// opened has taken all of them.
/// <https://docs.github.com/en/actions/how-tos/manage-workflow-runs/re-run-workflows-and-jobs>
fn too_old(view: &View<'_>) -> bool {
    let age = last_change(view.rollout).map(|time| time - view.rollout.started_at);
    view.count(Status::Expired) > 0 || age.is_some_and(|age| age >= TimeDelta::days(30))
}

/// What is left to do where nothing can be re-run: which workflow to run, and with what.
fn by_hand(view: &View<'_>, job: &str) -> Vec<String> {
    /// A list of more would push out the table, where all of them stand.
    const MOST: usize = 5;
    const ROOM: usize = 1_200;
    let undone = view
        .rows()
        .filter(|(deployment, standing)| {
            standing.status.finished() && standing.status != Status::Succeeded && deployment.planned.skip.is_none()
        })
        .map(|(deployment, _)| format!("\n  - {}", run_by_hand(&deployment.planned)));
    let (mut list, more) = fold::fit(undone, MOST, ROOM);
    if more > 0 {
        list.push_str(&format!("\n  - and {more} more of the table"));
    }
    let mut lines =
        vec![format!("Neither the {job} nor a run as old as that can be re-run: GitHub allows it for 30 days.")];
    if view.count(Status::Lost) > 0 {
        lines.push(format!("{LOOK_FIRST}."));
    }
    lines.push(format!(
        "To deploy what is missing, run its workflow by hand, in this order: **Actions**, the workflow's name, **Run \
         workflow**. Its reviewers are asked again, and this comment does not follow it.{list}"
    ));
    if view.stage == Stage::Live {
        lines.push("A failed run that is younger may be re-run by hand now: it is followed.".to_owned());
    }
    lines
}

/// A workflow, what for, and the inputs it is given. An id is no input for people.
fn run_by_hand(planned: &Planned) -> String {
    const MOST: usize = 6;
    const LONGEST: usize = 60;
    let code = |text: &str| escape::code(&escape::short(text, LONGEST));
    let inputs: Vec<String> = planned
        .inputs
        .iter()
        .filter(|(_, value)| !value.contains(ID_MARK))
        .map(|(name, value)| code(&format!("{name}: {value}")))
        .collect();
    let with = if inputs.is_empty() { String::new() } else { format!(", with {}", words::list(&inputs, MOST, "and")) };
    let (workflow, branch) = (code(&planned.workflow), code(&planned.git_ref));
    format!("{workflow} on {branch} for {}{with}", words::deployment(planned))
}

/// Who watches, the last change, the commit.
pub fn foot(view: &View<'_>) -> String {
    let subject = &view.rollout.subject;
    let (what, commit) = match view.stage {
        Stage::Preview => ("commit", &subject.head_sha),
        _ => ("merge commit", &subject.merge_commit),
    };
    let commit = escape::code(&escape::short(commit, 8).replace('…', ""));
    let run = format!("[run {}]({})", view.run_url.rsplit('/').next().unwrap_or_default(), view.run_url);
    let watched = match (&view.watcher, view.stage) {
        (_, Stage::Finished) => format!("Finished; followed by {run}"),
        (_, Stage::Preview) => format!("A preview by {run}: nothing is deployed before the merge"),
        (_, Stage::Refused | Stage::Held) => format!("Checked by {run}"),
        (Watcher::Here, _) => format!("Followed by {run}"),
        (Watcher::Later, _) if view.broken() => format!("As {run} left it"),
        (Watcher::Later, _) => format!("As {run} saw it; the next run of the action looks again"),
        (Watcher::Nobody(_), _) => format!("Last followed by {run}"),
    };
    let approvals = match view.stage {
        Stage::Live if view.count(Status::Waiting) > 0 => " · approvals happen on the linked review pages, never here",
        _ => "",
    };
    let changed = last_change(view.rollout).map(|time| format!(" · last change {}", words::moment(time)));
    format!("\n<sub>{watched}{} · {what} {commit}{approvals}</sub>\n", changed.unwrap_or_default())
}

/// The latest moment that is known of a rollout. A comment names it instead of the present, so that it need not be
/// written again while nothing changes.
fn last_change(rollout: &Rollout) -> Option<Time> {
    let times = rollout.deployments.iter().flat_map(|deployment| {
        let progress = match &deployment.progress {
            Progress::Intended { at, .. } | Progress::Ended { at, .. } => Some(*at),
            Progress::Planned | Progress::Followed(_) => None,
        };
        let reviews = deployment.reviews.iter().map(|review| review.seen_at);
        [progress, deployment.started_at, deployment.waiting_since, deployment.running_since]
            .into_iter()
            .flatten()
            .chain(reviews)
    });
    times.max()
}
