//! The table of all deployments: one while it is short, by status and folded when it grows. What ended badly is
//! the last to be left out.

use super::{View, escape, fold, words};
use crate::{
    finding::Severity,
    rollout::{Deployment, Progress, Standing, Status},
    run::Time,
    state::Stage,
};

/// Rows that are shown as one table in the order of the plan.
const ONE_TABLE: usize = 15;
/// Bytes of a line that says where a group is shown.
const ELSEWHERE: usize = 100;
/// Environments that are counted one by one.
const MOST_ENVIRONMENTS: usize = 30;

/// The statuses that are shown together: the most important group first, with its sign and words, and whether it
/// stays open while it is short.
const GROUPS: [(&[Status], [&str; 2], bool); 6] = [
    (
        &[Status::Failed, Status::TimedOut, Status::Expired, Status::Lost, Status::Rejected, Status::Cancelled],
        ["❌", "did not succeed"],
        true,
    ),
    (&[Status::Waiting], ["✋", "waiting"], true),
    (&[Status::Running, Status::Queued, Status::Dispatching], ["🔄", "under way"], true),
    (&[Status::Blocked], ["⏸️", "blocked"], false),
    (&[Status::Skipped], ["⏭️", "skipped"], false),
    (&[Status::Succeeded], ["✅", "succeeded"], false),
];

/// All deployments, in at most `room` bytes.
pub fn table(view: &View<'_>, room: usize) -> String {
    let rows: Vec<(&Deployment, &Standing)> = view.rows().collect();
    if rows.is_empty() {
        return String::new();
    }
    if rows.len() <= ONE_TABLE {
        let lines: Vec<String> = rows.iter().map(|row| line(view, row)).collect();
        let size = head().len() + lines.iter().map(String::len).sum::<usize>();
        if size <= room {
            return format!("{}{}", head(), lines.concat());
        }
    }
    let mut text = by_environment(view);
    if text.len() > room / 4 {
        text.clear();
    }
    // Each group that has no room for a table has room for a line.
    let Some(room) = room.checked_sub(GROUPS.len() * ELSEWHERE) else {
        return text;
    };
    for (statuses, title, open) in GROUPS {
        let group: Vec<&(&Deployment, &Standing)> =
            rows.iter().filter(|(_, standing)| statuses.contains(&standing.status)).collect();
        text.push_str(&section(view, &group, title, open, room.saturating_sub(text.len())));
    }
    text
}

/// One group, folded if it is long. It takes no more than there is room for, and says what it leaves out.
fn section(
    view: &View<'_>,
    group: &[&(&Deployment, &Standing)],
    [sign, words]: [&str; 2],
    open: bool,
    room: usize,
) -> String {
    const REST: usize = 100;
    let title = format!("{sign} {} {words}", group.len());
    let head = head();
    if group.is_empty() {
        return String::new();
    }
    let elsewhere = format!("\n{title}: see the job summary or the output `deployments`\n");
    let Some(room) = room.checked_sub(fold::FRAME + title.len() + head.len() + REST) else {
        return elsewhere;
    };
    let (lines, more) = fold::fit(group.iter().map(|row| line(view, row)), usize::MAX, room);
    if lines.is_empty() {
        return elsewhere;
    }
    let mut body = format!("{}{lines}", head.trim_start());
    if more > 0 {
        body.push_str(&format!("\nand {more} more; the job summary and the output `deployments` have all\n"));
    }
    fold::details(&title, open && group.len() <= ONE_TABLE, &body)
}

fn head() -> String {
    let [deployment, details] = ["Deployment", "Details"].map(words::head);
    format!("\n| Status | {deployment} | When (UTC) | {details} |\n|---|---|---|---|\n")
}

/// A row. Status and deployment come first: they are what a phone shows without scrolling.
fn line(view: &View<'_>, (deployment, standing): &(&Deployment, &Standing)) -> String {
    let planned = &deployment.planned;
    let name = words::name(planned);
    let name = match view.page(deployment) {
        Some(page) => format!("[{name}]({page})"),
        None => name,
    };
    format!(
        "| {} | {} | {} | {} |\n",
        // The word as it is in outputs, so that it can be searched for.
        words::status(standing.status).replace(' ', "\u{a0}"),
        words::to(name, &[&planned.environment]),
        words::unbroken(&when(deployment, standing)),
        notes(deployment, standing)
    )
}

/// Since when it is as it is, or when it ended.
fn when(deployment: &Deployment, standing: &Standing) -> String {
    let since = |time: Option<Time>| time.map_or_else(String::new, |time| format!("since {}", words::stamp(time)));
    match (&deployment.progress, standing.status) {
        (Progress::Ended { at, .. }, _) => words::stamp(*at),
        (Progress::Intended { at, .. }, _) => since(Some(*at)),
        (_, Status::Waiting) => since(deployment.waiting_since),
        (_, Status::Running) => since(deployment.running_since),
        (_, Status::Queued) => since(deployment.started_at),
        _ => String::new(),
    }
}

/// Why, by whose approval, how long.
fn notes(deployment: &Deployment, standing: &Standing) -> String {
    let mut notes = Vec::new();
    let told_above = matches!(
        standing.status,
        Status::Failed | Status::TimedOut | Status::Expired | Status::Lost | Status::Rejected | Status::Cancelled
    );
    if !standing.reason.is_empty() {
        let most = if told_above { 80 } else { 160 };
        notes.push(words::reason(deployment, standing, most));
    }
    let mut approvers: Vec<String> = deployment
        .reviews
        .iter()
        .filter(|review| review.state == "approved")
        .map(|review| words::person(&review.user))
        .collect();
    approvers.sort_unstable();
    approvers.dedup();
    if !approvers.is_empty() {
        notes.push(format!("approved by {}", words::list(&approvers, 3, "and")));
    }
    if let Some(waited) = words::waited(deployment) {
        notes.push(words::unbroken(&format!("waited {}", words::span(waited))));
    }
    if let Some(ran) = words::ran(deployment) {
        notes.push(words::unbroken(&format!("ran {}", words::span(ran))));
    }
    if deployment.tries > 1 {
        notes.push(format!("try {}", deployment.tries));
    }
    if let Some(run) = deployment.run().filter(|run| run.attempt > 1) {
        notes.push(format!("attempt {}", run.attempt));
    }
    notes.join(" · ")
}

/// How each environment stands, where there are several.
fn by_environment(view: &View<'_>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (deployment, _) in view.rows() {
        let name = deployment.planned.environment.as_str();
        if !names.contains(&name) {
            names.push(name);
            if names.len() > MOST_ENVIRONMENTS {
                return String::new();
            }
        }
    }
    let groups: Vec<_> =
        GROUPS.iter().filter(|(statuses, ..)| statuses.iter().any(|status| view.count(*status) > 0)).collect();
    if names.len() < 2 || groups.len() < 2 {
        return String::new();
    }
    let titles: Vec<String> = groups.iter().map(|(_, title, _)| title.join(" ")).collect();
    let mut text = format!("\n| Environment | {} |\n|---|{}\n", titles.join(" | "), "--:|".repeat(titles.len()));
    for name in names {
        let count = |statuses: &[Status]| {
            let is = |(deployment, standing): &(&Deployment, &Standing)| {
                deployment.planned.environment == name && statuses.contains(&standing.status)
            };
            match view.rows().filter(is).count() {
                0 => String::new(),
                number => number.to_string(),
            }
        };
        let counts: Vec<String> = groups.iter().map(|(statuses, ..)| count(statuses)).collect();
        text.push_str(&format!("| {} | {} |\n", words::environment(name), counts.join(" | ")));
    }
    text
}

/// What preflight found. Errors are open; warnings alone are folded.
pub fn findings(view: &View<'_>, room: usize) -> String {
    const MOST: usize = 60;
    const FRAME: usize = fold::FRAME + 100;
    let Some(room) = room.checked_sub(FRAME) else {
        return String::new();
    };
    if view.findings.is_empty() {
        return String::new();
    }
    let line = |finding: &crate::finding::Finding| {
        let word = match finding.severity {
            Severity::Error => "❌ error",
            Severity::Warning => "⚠️ warning",
        };
        format!("- {word}: {}\n", escape::prose(&escape::short(&finding.line(), 600)))
    };
    let (mut lines, more) = fold::fit(view.findings.iter().map(line), MOST, room);
    if more > 0 {
        lines.push_str(&format!("- and {more} more, in the log\n"));
    }
    if view.broken() || view.stage == Stage::Held {
        format!("\n#### What the checks found\n\n{lines}")
    } else {
        let count = words::plural(view.findings.len(), "warning");
        fold::details(&format!("⚠️ The checks found {count}"), false, &lines)
    }
}
