//! The one line that answers "where does it stand".

use super::{View, words};
use crate::{
    finding::Severity,
    rollout::Status,
    state::Stage,
    tally::{Outcome, Tally},
};

/// The order in which what did not become the lead is counted.
const ORDER: [Status; 13] = [
    Status::Failed,
    Status::TimedOut,
    Status::Expired,
    Status::Lost,
    Status::Rejected,
    Status::Cancelled,
    Status::Waiting,
    Status::Running,
    Status::Queued,
    Status::Dispatching,
    Status::Blocked,
    Status::Succeeded,
    Status::Skipped,
];

/// Where it stands, in words and counts: every status there is is counted.
pub fn headline(view: &View<'_>) -> String {
    let planned = view.rollout.deployments.iter().filter(|deployment| deployment.planned.skip.is_none()).count();
    match view.stage {
        Stage::Preview if view.reason.is_some() => "⏭️ A merge would deploy nothing".to_owned(),
        Stage::Refused if view.reason.is_some() => "⏭️ Nothing is deployed".to_owned(),
        Stage::Preview if view.broken() => {
            let errors = view.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            format!("❌ A merge would deploy nothing: the checks found {}", words::plural(errors, "error"))
        }
        Stage::Preview if view.held().is_some() => {
            let count = words::plural(planned, "deployment");
            format!("✋ A merge would be held: {count} are more than `max-deployments` allows")
        }
        Stage::Preview => format!("🔍 A merge would make {}", words::plural(planned, "deployment")),
        Stage::Refused => "❌ Nothing was deployed: the checks found errors".to_owned(),
        Stage::Held => {
            let count = words::plural(planned, "deployment");
            format!("✋ Held: {count} are more than `max-deployments` allows, so none was made")
        }
        Stage::Live | Stage::Finished => standing(view),
    }
}

fn standing(view: &View<'_>) -> String {
    let tally = view.tally();
    let all = tally.all();
    if all == 0 {
        return "✅ Nothing to deploy".to_owned();
    }
    let of_all = format!("of {}", words::plural(all, "deployment"));
    let waiting = view.count(Status::Waiting);
    let (lead, told) = if waiting > 0 {
        (self::waiting(view, waiting, &of_all), Some(Status::Waiting))
    } else if tally.pending > 0 {
        (format!("🔄 {} {of_all} finished", all - tally.pending), None)
    } else {
        finished(view, tally, &of_all)
    };
    let mut parts = vec![lead];
    for status in ORDER.into_iter().filter(|status| Some(*status) != told) {
        let number = view.count(status);
        if number > 0 {
            parts.push(format!("{number} {}", status.word()));
        }
    }
    parts.join(" · ")
}

/// Whether people are waited for, or only a timer.
fn waiting(view: &View<'_>, waiting: usize, of_all: &str) -> String {
    let timers = view
        .rows()
        .filter(|(deployment, standing)| standing.status == Status::Waiting && words::only_timer(deployment))
        .count();
    let verb = if waiting == 1 { "waits" } else { "wait" };
    match waiting - timers {
        0 => format!("🕐 {waiting} {of_all} {verb} for a timer"),
        asked if asked == waiting => format!("✋ {waiting} {of_all} {verb} for approval"),
        asked => format!("✋ {waiting} {of_all} {verb}, {asked} of them for approval"),
    }
}

/// The lead of what has ended, and the status it has counted already. The worst leads.
fn finished(view: &View<'_>, tally: Tally, of_all: &str) -> (String, Option<Status>) {
    let all = tally.all();
    match tally.result() {
        Outcome::Succeeded if tally.succeeded == all && all == 1 => {
            ("✅ The deployment succeeded".to_owned(), Some(Status::Succeeded))
        }
        Outcome::Succeeded if tally.succeeded == all => {
            (format!("✅ All {all} deployments succeeded"), Some(Status::Succeeded))
        }
        Outcome::Succeeded => (format!("✅ {} {of_all} succeeded", tally.succeeded), Some(Status::Succeeded)),
        Outcome::Skipped => (format!("⏭️ {} {of_all} skipped", tally.skipped), Some(Status::Skipped)),
        _ => {
            let worst = ORDER.into_iter().find(|status| view.count(*status) > 0).unwrap_or(Status::Failed);
            (format!("{} {} {of_all} {}", words::sign(worst), view.count(worst), worst.word()), Some(worst))
        }
    }
}
