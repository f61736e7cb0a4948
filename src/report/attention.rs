//! What needs a person: gates first, then what ended badly.
//!
//! Gates of the same environment and reviewers are one entry, so that fifty of them do not make fifty lines, and
//! each entry says what an approval sets going.

use std::collections::{BTreeMap, BTreeSet};

use super::{View, Watcher, fold, words};
use crate::{
    ordered::Ordered,
    plan::Planned,
    rollout::{Deployment, Standing, Status},
    run::Reviewer,
};

/// Entries of each kind at most.
const MOST: usize = 40;
/// Review pages that stand in the entry itself; more are folded.
const LINKED: usize = 5;
/// Bytes of a line that says how many more there are.
const REST: usize = 80;

/// The section, in at most `room` bytes; empty where nothing needs anybody.
pub fn attention(view: &View<'_>, room: usize) -> String {
    const HEAD: &str = "\n#### Needs attention\n\n";
    let (gates, problems) = (gates(view), problems(view));
    let Some(room) = room.checked_sub(HEAD.len() + 2 * REST) else {
        return String::new();
    };
    if gates.is_empty() && problems.is_empty() {
        return String::new();
    }
    let share = if problems.is_empty() { room } else { room / 2 };
    let mut text = waiting(view, &gates, share);
    let left = room.saturating_sub(text.len());
    let (lines, more) = fold::fit(problems, MOST, left);
    text.push_str(&lines);
    if more > 0 {
        text.push_str(&format!("- and {more} more did not succeed: see the table\n"));
    }
    format!("{HEAD}{text}")
}

/// What holds a deployment back: the environments, who may approve, whether a timer runs.
type Gate<'a> = (Vec<&'a str>, Vec<&'a Reviewer>, bool);

/// The waiting deployments by what holds them back, in the order of the plan.
fn gates<'a>(view: &'a View<'_>) -> Vec<(Gate<'a>, Vec<usize>)> {
    let mut gates: BTreeMap<Gate<'a>, Vec<usize>> = BTreeMap::new();
    for (index, (deployment, _)) in view.rows().enumerate().filter(|(_, row)| row.1.status == Status::Waiting) {
        let mut environments: Vec<&str> = deployment.gates.iter().map(|gate| gate.environment.as_str()).collect();
        if environments.is_empty() {
            environments.push(&deployment.planned.environment);
        }
        let mut reviewers: Vec<&Reviewer> = deployment.gates.iter().flat_map(|gate| &gate.reviewers).collect();
        reviewers.sort_unstable();
        reviewers.dedup();
        let gate = (environments, reviewers, words::timer_end(deployment).is_some());
        gates.entry(gate).or_default().push(index);
    }
    let mut gates: Vec<_> = gates.into_iter().collect();
    gates.sort_by_key(|(_, waiting)| waiting.first().copied());
    gates
}

fn waiting(view: &View<'_>, gates: &[(Gate<'_>, Vec<usize>)], room: usize) -> String {
    let mut text = String::new();
    let mut hidden = 0;
    for (index, (gate, waiting)) in gates.iter().enumerate() {
        // Each entry may take its part of what is left.
        let part = room.saturating_sub(text.len()) / (gates.len().min(MOST) - index.min(MOST - 1)).max(1);
        let entry = if index < MOST { entry(view, gate, waiting, part) } else { String::new() };
        if entry.is_empty() || text.len() + entry.len() > room {
            hidden += waiting.len();
        } else {
            text.push_str(&entry);
        }
    }
    if hidden > 0 {
        text.push_str(&format!("- and {hidden} more wait: see the table\n"));
    }
    text
}

/// One entry: who is asked for what, where to answer, and what follows.
fn entry(view: &View<'_>, gate: &Gate<'_>, waiting: &[usize], room: usize) -> String {
    let (environments, reviewers, timer) = gate;
    let deployments: Vec<&Deployment> =
        waiting.iter().filter_map(|index| view.rollout.deployments.get(*index)).collect();
    let (who, verb) = match deployments.as_slice() {
        [one] => (words::name(&one.planned), "waits"),
        all => (format!("{} deployments", all.len()), "wait"),
    };
    let environments: Vec<String> = environments.iter().map(|name| words::environment(name)).collect();
    let environment = words::list(&environments, 4, "and");
    let end = deployments.iter().filter_map(|deployment| words::timer_end(deployment)).max().map(words::moment);
    let end = end.unwrap_or_default();
    let mut line = match (reviewers.as_slice(), timer) {
        ([], true) if deployments.len() == 1 => format!("- ✋ {who} {verb} for {environment} to open at {end}"),
        ([], true) => format!("- ✋ {who} {verb} for {environment} to open, the last at {end}"),
        ([], false) => format!("- ✋ {who} {verb} for the protection rules of {environment}"),
        (some, timer) => {
            let names = words::reviewers(some.iter().copied());
            let until = if *timer { format!(", and until {end} for its timer") } else { String::new() };
            format!("- ✋ {who} {verb} for approval to {environment} by {names}{until}")
        }
    };
    if let Some(since) = deployments.iter().filter_map(|deployment| deployment.waiting_since).min() {
        let first = if deployments.len() > 1 { "the first " } else { "" };
        line.push_str(&format!(", {first}since {}", words::moment(since)));
    }
    line.push_str(".\n");
    let asked = !reviewers.is_empty() || !timer;
    line.push_str(&links(view, &deployments, asked, &follow_up(view, waiting, asked), room.saturating_sub(line.len())));
    if line.len() > room { String::new() } else { line }
}

/// The review pages, and what follows an approval.
fn links(view: &View<'_>, deployments: &[&Deployment], asked: bool, then: &str, room: usize) -> String {
    let verb = if asked { "Review" } else { "Run of" };
    let link = |deployment: &&Deployment| {
        let page = view.page(deployment)?;
        Some(format!("[{verb} {}]({page})", words::name(&deployment.planned)))
    };
    let pages: Vec<String> = deployments.iter().filter_map(link).collect();
    match pages.as_slice() {
        [] => format!("  {}\n", words::capital(then)),
        [one] => format!("  **{one}**: {then}\n"),
        few if few.len() <= LINKED => {
            let lines: Vec<String> = few.iter().map(|page| format!("  - **{page}**\n")).collect();
            format!("  {}\n{}", words::capital(then), lines.concat())
        }
        many => {
            let lines = many.iter().map(|page| format!("  - {page}\n"));
            let title = format!("{} review pages", many.len());
            let (mut lines, more) = fold::fit(lines, usize::MAX, room.saturating_sub(REST + fold::FRAME + then.len()));
            if more > 0 {
                lines.push_str(&format!("  - and {more} more, by the table's links\n"));
            }
            // The blank lines and the indentation keep the list inside the entry.
            let then = words::capital(then);
            format!("  {then}\n\n  <details><summary>{title}</summary>\n\n{lines}\n  </details>\n\n")
        }
    }
}

/// What an approval sets going: the deployment itself, and all that comes after it.
fn follow_up(view: &View<'_>, waiting: &[usize], asked: bool) -> String {
    let own = waiting.iter().filter_map(|index| view.rollout.deployments.get(*index)).all(|deployment| {
        deployment.gates.iter().all(|gate| gate.environment.eq_ignore_ascii_case(&deployment.planned.environment))
    });
    let goes = match (waiting, own) {
        ([_], true) => "it is applied",
        ([_], false) => "it goes on",
        (_, true) => "each is applied by itself",
        (_, false) => "each goes on by itself",
    };
    let after: Vec<String> = followers(view, waiting).into_iter().map(words::name).collect();
    let when = if asked { "once approved, " } else { "then " };
    let it = if waiting.len() == 1 { "it" } else { "them" };
    let follow = if after.len() == 1 { "follows" } else { "follow" };
    let names = words::list(&after, 5, "and");
    match &view.watcher {
        _ if after.is_empty() => format!("{when}{goes}; nothing else depends on {it}."),
        Watcher::Nobody(_) => {
            format!(
                "{when}{goes}; {names} {follow} only when the job is re-run or a sweep looks, since nobody is watching."
            )
        }
        _ if view.broken() => format!("{when}{goes}; {names} {follow} only when what the checks found is mended."),
        _ => format!("{when}{goes}, and after {it} {follow} {names}."),
    }
}

/// What is blocked by these, directly or through others.
fn followers<'a>(view: &'a View<'_>, waiting: &[usize]) -> Vec<&'a Planned> {
    let mut reached: BTreeSet<usize> = waiting.iter().copied().ordered();
    let mut followers = Vec::new();
    for (index, (deployment, standing)) in view.rows().enumerate() {
        let planned = &deployment.planned;
        if standing.status == Status::Blocked && planned.needs.iter().any(|need| reached.contains(need)) {
            followers.push(planned);
            reached.insert(index);
        }
    }
    followers
}

/// A line for each that ended badly, the worst first.
fn problems(view: &View<'_>) -> Vec<String> {
    let mut problems: Vec<(u8, &Deployment, &Standing)> = view
        .rows()
        .filter_map(|(deployment, standing)| {
            let rank = match standing.status {
                Status::Lost | Status::Expired => 0,
                Status::Failed | Status::TimedOut => 1,
                Status::Rejected | Status::Cancelled => 2,
                _ => return None,
            };
            Some((rank, deployment, standing))
        })
        .collect();
    problems.sort_by_key(|(rank, ..)| *rank);
    problems.into_iter().map(|(_, deployment, standing)| problem(view, deployment, standing)).collect()
}

fn problem(view: &View<'_>, deployment: &Deployment, standing: &Standing) -> String {
    let planned = &deployment.planned;
    let mut line = format!("- {}: {}", words::status(standing.status), words::deployment(planned));
    if !standing.reason.is_empty() {
        let joint = if standing.status == Status::Rejected { "," } else { ":" };
        line.push_str(&format!("{joint} {}", words::reason(deployment, standing, 300)));
    }
    if let Some(page) = view.page(deployment) {
        let what = if page.contains("/job/") { "Log" } else { "Run" };
        line.push_str(&format!(" · [{what} of {}]({page})", words::component(planned)));
    }
    line.push('\n');
    line
}
