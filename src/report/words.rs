//! Phrases that comment, summary and log share: names, times, the headline.

use super::{View, escape};
use crate::{
    checks::Check,
    finding::{Finding, Severity},
    plan::Planned,
    rollout::{Deployment, Status},
    run::{Gate, Reviewer, Time},
    state::Stage,
};

/// `2026-11-22 15:04 UTC`
pub fn moment(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A sign and the word: the word alone tells all, for those who do not see the sign.
pub fn status(status: Status) -> String {
    let sign = match status {
        Status::Blocked => "⏸️",
        Status::Dispatching => "📨",
        Status::Queued => "🕐",
        Status::Waiting => "✋",
        Status::Running => "🔄",
        Status::Succeeded => "✅",
        Status::Failed => "❌",
        Status::Rejected => "⛔",
        Status::Cancelled => "🚫",
        Status::TimedOut => "⌛",
        Status::Skipped => "⏭️",
        Status::Expired => "📅",
        Status::Lost => "❓",
    };
    let word = if status == Status::Waiting { "waiting for approval" } else { status.word() };
    format!("{sign} {word}")
}

/// `` `vpc` in `plat-use2-dev` ``
pub fn name(planned: &Planned) -> String {
    let component = escape::code(&escape::short(&planned.component, 100));
    match &planned.stack {
        Some(stack) => format!("{component} in {}", escape::code(&escape::short(stack, 100))),
        None => component,
    }
}

/// `` `mona`, `hubot` or team `platform` ``; empty where nobody is named.
pub fn reviewers(gates: &[Gate]) -> String {
    let mut all: Vec<&Reviewer> = gates.iter().flat_map(|gate| &gate.reviewers).collect();
    all.sort();
    all.dedup();
    let names: Vec<String> = all
        .into_iter()
        .map(|reviewer| match reviewer {
            Reviewer::User(login) => escape::code(login),
            Reviewer::Team(slug) => format!("team {}", escape::code(slug)),
        })
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// When the last wait timer ends.
pub fn timer_end(deployment: &Deployment) -> Option<Time> {
    deployment
        .gates
        .iter()
        .filter(|gate| gate.wait_minutes > 0)
        .filter_map(|gate| {
            let minutes = chrono::TimeDelta::try_minutes(i64::try_from(gate.wait_minutes).ok()?)?;
            gate.wait_started_at.or(deployment.waiting_since)?.checked_add_signed(minutes)
        })
        .max()
}

/// The finding by which a rollout is, or would be, held.
fn held<'a>(view: &View<'a>) -> Option<&'a Finding> {
    view.findings.iter().find(|finding| finding.check == Check::MaxDeployments)
}

/// What has to be said right under the headline: why nothing is deployed, how it is released.
pub fn lead(view: &View<'_>) -> String {
    let broken = view.findings.iter().any(|finding| finding.severity == Severity::Error);
    match (view.reason, held(view)) {
        (Some(reason), _) => format!("\n{}.\n", escape::prose(&capital(reason))),
        (None, Some(finding)) if !broken && view.stage == Stage::Preview => {
            format!("\n{}.\n", escape::prose(&finding.remedy))
        }
        (None, Some(finding)) if view.stage == Stage::Held => {
            format!("\n{} of [this run]({}).\n", escape::prose(&finding.remedy), view.run_url)
        }
        _ => String::new(),
    }
}

/// With a capital letter, as a sentence begins.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The headline of what has not begun.
fn unbegun(view: &View<'_>) -> Option<String> {
    let planned = view.rollout.deployments.iter().filter(|deployment| deployment.planned.skip.is_none()).count();
    let count = view.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let deployments = plural(planned, "deployment");
    Some(match view.stage {
        Stage::Preview if view.reason.is_some() => "A merge would deploy nothing".to_owned(),
        Stage::Preview if count > 0 => {
            format!("A merge would deploy nothing: the checks found {}", plural(count, "error"))
        }
        Stage::Preview if held(view).is_some() => {
            format!("A merge would be held: {deployments} are more than `max-deployments` allows")
        }
        Stage::Preview => format!("A merge would make {deployments}"),
        Stage::Refused if view.reason.is_some() => "Nothing is deployed".to_owned(),
        Stage::Refused => "Nothing was deployed: the checks found errors".to_owned(),
        Stage::Held => format!("Held: {deployments} are more than `max-deployments` allows"),
        Stage::Live | Stage::Finished => return None,
    })
}

/// The one line that answers "where does it stand".
pub fn headline(view: &View<'_>) -> String {
    if let Some(headline) = unbegun(view) {
        return headline;
    }
    let tally = view.tally();
    let all = tally.all();
    if all == 0 {
        return "Nothing to deploy".to_owned();
    }
    let count = |status: Status| view.standings.iter().filter(|standing| standing.status == status).count();
    let mut parts = Vec::new();
    let order = [
        Status::Failed,
        Status::TimedOut,
        Status::Expired,
        Status::Lost,
        Status::Rejected,
        Status::Cancelled,
        Status::Running,
        Status::Queued,
        Status::Dispatching,
        Status::Blocked,
        Status::Succeeded,
        Status::Skipped,
    ];
    for status in order {
        let number = count(status);
        if number > 0 {
            parts.push(format!("{number} {}", status.word()));
        }
    }
    let waiting = count(Status::Waiting);
    let lead = if waiting > 0 {
        let verb = if waiting == 1 { "waits" } else { "wait" };
        format!("{waiting} of {} {verb} for approval", plural(all, "deployment"))
    } else if tally.pending > 0 {
        format!("{} of {} finished", all - tally.pending, plural(all, "deployment"))
    } else if tally.succeeded == all {
        return if all == 1 {
            "The deployment succeeded".to_owned()
        } else {
            format!("All {all} deployments succeeded")
        };
    } else {
        format!("Finished: {}", plural(all, "deployment"))
    };
    if parts.is_empty() { lead } else { format!("{lead} · {}", parts.join(" · ")) }
}

/// `1 deployment`, `2 deployments`
pub fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
