//! The sticky comment: rendered whole from the view, with the state hidden in its last line.
//!
//! A comment may have 65,536 characters; since nobody says whether GitHub counts characters or bytes, the
//! whole is kept below that in bytes. What does not fit is left out, the least important first: the graph,
//! then the decisions, then rows of the table, of which problems are the last to go.

use super::{View, Watcher, escape, preview, words};
use crate::{
    finding::Severity,
    rollout::{Deployment, Progress, Standing, Status},
    state::Stage,
};

/// The most bytes a comment of ours has.
pub const LARGEST: usize = 65_500;

/// What the state may take of it, so that people still see something.
pub const LARGEST_STATE: usize = crate::state::ROOM;

const STATE: &str = "<!-- deployment-approvals-state ";
const CLOSE: &str = " -->";

/// The first line of every comment of this action with the given key.
pub fn marker(comment_key: &str) -> String {
    format!("<!-- deployment-approvals key:{}{CLOSE}", escape::marker(comment_key))
}

/// Whether a comment is this action's, by its first line.
pub fn is_ours(body: &str, comment_key: &str) -> bool {
    body.lines().next().map(str::trim_end) == Some(marker(comment_key).as_str())
}

/// The packed state in a comment.
pub fn state_in(body: &str) -> Option<&str> {
    let last = body.trim_end().lines().next_back()?;
    last.trim_end().strip_prefix(STATE)?.strip_suffix(CLOSE)
}

/// What is shown, without marker and state: two views with the same text need no writing.
pub fn text(view: &View<'_>, room: usize) -> String {
    let head = format!("### {}\n{}", words::headline(view), together(view));
    let foot = foot(view);
    let free = room.saturating_sub(head.len() + foot.len());
    // What needs a person comes first, then what the checks found; the table takes what is left.
    let attention = attention(view, free / 2);
    let findings = findings(view, if broken(view) { free / 2 } else { free / 6 });
    let mut left = room.saturating_sub(head.len() + attention.len() + findings.len() + foot.len());
    let table = match view.stage {
        Stage::Preview | Stage::Held => preview::table(view, left),
        Stage::Live | Stage::Finished | Stage::Refused => table(view, left),
    };
    left = left.saturating_sub(table.len());
    let mut extras = String::new();
    for section in [decisions(view), graph(view)] {
        if section.len() <= left {
            left -= section.len();
            extras.push_str(&section);
        }
    }
    if broken(view) {
        format!("{head}{attention}{findings}{table}{extras}{foot}")
    } else {
        format!("{head}{attention}{table}{findings}{extras}{foot}")
    }
}

/// The pull requests that were merged together with this one.
fn together(view: &View<'_>) -> String {
    let subject = &view.rollout.subject;
    if subject.together.is_empty() {
        return String::new();
    }
    let names: Vec<String> = subject.together.iter().take(100).map(|number| format!("#{number}")).collect();
    format!("\nOne rollout for #{} and for {}, which were merged together.\n", subject.pull_request, names.join(", "))
}

/// The whole comment.
pub fn render(view: &View<'_>, comment_key: &str, state: &str) -> String {
    let marker = marker(comment_key);
    let frame = marker.len() + STATE.len() + state.len() + CLOSE.len() + 4;
    let text = text(view, LARGEST.saturating_sub(frame));
    format!("{marker}\n{text}\n{STATE}{state}{CLOSE}\n")
}

/// What needs a person: gates first, then what ended badly. The longest list still leaves room for the table.
fn attention(view: &View<'_>, room: usize) -> String {
    const MOST_LINES: usize = 40;
    let mut lines: Vec<(u8, String)> = view
        .rows()
        .filter_map(|(deployment, standing)| {
            let (rank, line) = match standing.status {
                Status::Waiting => (0, waiting(view, deployment)),
                Status::Lost | Status::Expired => (1, problem(view, deployment, standing)),
                Status::Failed | Status::TimedOut => (2, problem(view, deployment, standing)),
                Status::Rejected | Status::Cancelled => (3, problem(view, deployment, standing)),
                _ => return None,
            };
            Some((rank, line))
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    lines.sort_by_key(|(rank, _)| *rank);
    let mut text = "\n**Needs attention**\n\n".to_owned();
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    append(&mut text, &lines, MOST_LINES, room, "in the table");
    text
}

fn waiting(view: &View<'_>, deployment: &Deployment) -> String {
    let mut line = format!("- ✋ {} ", words::name(&deployment.planned));
    let environments: Vec<String> = deployment.gates.iter().map(|gate| escape::code(&gate.environment)).collect();
    let environment = match environments.as_slice() {
        [] => escape::code(&deployment.planned.environment),
        some => some.join(" and "),
    };
    let reviewers = words::reviewers(&deployment.gates);
    let timer = words::timer_end(deployment);
    match (reviewers.as_str(), timer) {
        ("", Some(end)) => line.push_str(&format!("waits for {environment} to open at {}", words::moment(end))),
        ("", None) => line.push_str(&format!("waits for the protection rules of {environment}")),
        (names, timer) => {
            line.push_str(&format!("waits for approval to {environment} by {names}"));
            if let Some(end) = timer {
                line.push_str(&format!(", and until {}", words::moment(end)));
            }
        }
    }
    if let Some(since) = deployment.waiting_since {
        line.push_str(&format!(", since {}", words::moment(since)));
    }
    if let Some(page) = view.run_page(deployment) {
        line.push_str(&format!(". **[Review]({page})**"));
    }
    line.push('\n');
    line
}

fn problem(view: &View<'_>, deployment: &Deployment, standing: &Standing) -> String {
    let mut line = format!(
        "- {}: {} → {}",
        words::status(standing.status),
        words::name(&deployment.planned),
        escape::code(&deployment.planned.environment)
    );
    if !standing.reason.is_empty() {
        line.push_str(&format!(" · {}", escape::prose(&escape::short(&standing.reason, 300))));
    }
    if let Some(page) = view.run_page(deployment) {
        match &deployment.progress {
            Progress::Ended { job: Some(job), .. } => line.push_str(&format!(" · [log]({page}/job/{job})")),
            _ => line.push_str(&format!(" · [run]({page})")),
        }
    }
    line.push('\n');
    line
}

/// What preflight found. Errors come before the table; warnings alone come after it, folded.
pub(super) fn findings(view: &View<'_>, room: usize) -> String {
    const MOST_LINES: usize = 60;
    if view.findings.is_empty() {
        return String::new();
    }
    let all: Vec<String> = view
        .findings
        .iter()
        .map(|finding| {
            let word = match finding.severity {
                Severity::Error => "❌ error",
                Severity::Warning => "⚠️ warning",
            };
            format!("- {word}: {}\n", escape::prose(&escape::short(&finding.line(), 600)))
        })
        .collect();
    let mut lines = String::new();
    append(&mut lines, &all, MOST_LINES, room, "in the log");
    if broken(view) {
        format!("\n**What the checks found**\n\n{lines}")
    } else {
        let count = words::plural(view.findings.len(), "warning");
        format!("\n<details><summary>The checks found {count}</summary>\n\n{lines}\n</details>\n")
    }
}

/// Appends lines as long as there is room, and says how many are left out and where they are.
fn append(text: &mut String, lines: &[String], most: usize, room: usize, elsewhere: &str) {
    const LAST: usize = 60;
    let mut shown = 0;
    for line in lines.iter().take(most) {
        if text.len() + line.len() + LAST > room {
            break;
        }
        text.push_str(line);
        shown += 1;
    }
    if shown < lines.len() {
        text.push_str(&format!("- and {} more, {elsewhere}\n", lines.len() - shown));
    }
}

fn broken(view: &View<'_>) -> bool {
    view.findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// How soon a row may be left out; the higher, the later.
fn weight(status: Status) -> u8 {
    match status {
        Status::Succeeded => 0,
        Status::Skipped => 1,
        Status::Blocked => 2,
        Status::Queued | Status::Dispatching => 3,
        Status::Running => 4,
        Status::Waiting => 5,
        Status::Cancelled | Status::Rejected => 6,
        Status::Failed | Status::TimedOut | Status::Expired | Status::Lost => 7,
    }
}

/// The table of all deployments, in at most `room` bytes.
fn table(view: &View<'_>, room: usize) -> String {
    if view.rollout.deployments.is_empty() {
        return String::new();
    }
    let stacks = view.rollout.deployments.iter().any(|deployment| deployment.planned.stack.is_some());
    let head = if stacks {
        "\n| Component | Stack | Environment | Status | Run |\n|---|---|---|---|---|\n"
    } else {
        "\n| Component | Environment | Status | Run |\n|---|---|---|---|\n"
    };
    let rows: Vec<(u8, String)> = view
        .rows()
        .map(|(deployment, standing)| (weight(standing.status), row(view, deployment, standing, stacks)))
        .collect();
    let mut kept = vec![true; rows.len()];
    let mut size = head.len() + rows.iter().map(|(_, row)| row.len()).sum::<usize>();
    let room = room.saturating_sub(100);
    if size > room {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        // The last of the least important goes first.
        order.sort_by_key(|index| (rows.get(*index).map(|(weight, _)| *weight), usize::MAX - index));
        for index in order {
            if size <= room {
                break;
            }
            if let (Some((_, row)), Some(keep)) = (rows.get(index), kept.get_mut(index)) {
                size -= row.len();
                *keep = false;
            }
        }
    }
    let left_out = kept.iter().filter(|keep| !**keep).count();
    let mut text = if left_out == rows.len() { String::new() } else { head.to_owned() };
    for ((_, row), _) in rows.iter().zip(&kept).filter(|(_, keep)| **keep) {
        text.push_str(row);
    }
    if left_out > 0 {
        text.push_str(&format!(
            "\n{} not shown here; the job summary and the output have all.\n",
            words::plural(left_out, "more row")
        ));
    }
    text
}

fn row(view: &View<'_>, deployment: &Deployment, standing: &Standing, stacks: bool) -> String {
    let planned = &deployment.planned;
    let mut cells = vec![escape::code(&escape::short(&planned.component, 100))];
    if stacks {
        cells.push(planned.stack.as_ref().map_or_else(String::new, |stack| escape::code(&escape::short(stack, 100))));
    }
    cells.push(if planned.environment.is_empty() { "none".to_owned() } else { escape::code(&planned.environment) });
    let mut status = words::status(standing.status);
    let told_above = matches!(
        standing.status,
        Status::Failed | Status::TimedOut | Status::Expired | Status::Lost | Status::Rejected | Status::Cancelled
    );
    if !standing.reason.is_empty() && !told_above {
        status.push_str(&format!(": {}", escape::prose(&escape::short(&standing.reason, 160))));
    }
    cells.push(status);
    cells.push(match (view.run_page(deployment), deployment.run()) {
        (Some(page), Some(run)) if run.attempt > 1 => format!("[{}]({page}) attempt {}", run.id, run.attempt),
        (Some(page), Some(run)) => format!("[{}]({page})", run.id),
        _ => String::new(),
    });
    format!("| {} |\n", cells.join(" | "))
}

/// Who decided what, when that was seen, and in what words.
pub fn decisions(view: &View<'_>) -> String {
    let rows: Vec<String> = view
        .rows()
        .flat_map(|(deployment, _)| deployment.reviews.iter().map(move |review| (deployment, review)))
        .map(|(deployment, review)| {
            let subject = &view.rollout.subject;
            let own = match review.user.as_str() {
                "" => "",
                user if user == subject.author => " (wrote the pull request)",
                user if user == subject.merged_by => " (merged it)",
                _ => "",
            };
            let environments: Vec<String> = review.environments.iter().map(|name| escape::code(name)).collect();
            let comment = match review.comment.trim() {
                "" => String::new(),
                comment => escape::code(&escape::short(comment, 200)),
            };
            format!(
                "| {} | {}{own} | {} | {} | {comment} | {} |\n",
                escape::prose(&review.state).replace('|', "¦"),
                escape::code(&review.user),
                words::name(&deployment.planned),
                environments.join(", "),
                words::moment(review.seen_at),
            )
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n<details><summary>Decisions ({})</summary>\n\n| Decision | By | Deployment | Environment | Words | Seen |\n|---|---|---|---|---|---|\n{}\n</details>\n",
        rows.len(),
        rows.concat()
    )
}

/// The dependencies as a Mermaid graph, where there are any and it stays readable.
pub fn graph(view: &View<'_>) -> String {
    const MOST_NODES: usize = 40;
    let deployments = &view.rollout.deployments;
    let edges: usize = deployments.iter().map(|deployment| deployment.planned.needs.len()).sum();
    if edges == 0 || deployments.len() > MOST_NODES {
        return String::new();
    }
    let mut text = "\n<details><summary>Dependencies</summary>\n\n```mermaid\ngraph LR\n".to_owned();
    for (index, (deployment, standing)) in view.rows().enumerate() {
        let planned = &deployment.planned;
        let place = planned.stack.as_ref().unwrap_or(&planned.environment);
        text.push_str(&format!(
            "  d{index}[\"{}<br>{}<br>{}\"]\n",
            escape::mermaid(&escape::short(&planned.component, 60)),
            escape::mermaid(&escape::short(place, 60)),
            escape::mermaid(&escape::short(&below(view, deployment, standing), 60))
        ));
    }
    for (index, deployment) in deployments.iter().enumerate() {
        for need in &deployment.planned.needs {
            text.push_str(&format!("  d{need} --> d{index}\n"));
        }
    }
    text.push_str("```\n\n</details>\n");
    text
}

/// What stands below a name in the graph: the status; of a plan, the environment.
fn below(view: &View<'_>, deployment: &Deployment, standing: &Standing) -> String {
    match (view.stage, &deployment.planned.skip) {
        (Stage::Preview | Stage::Held, None) => deployment.planned.environment.clone(),
        _ => standing.status.word().to_owned(),
    }
}

fn foot(view: &View<'_>) -> String {
    let subject = &view.rollout.subject;
    let (what, commit) = match view.stage {
        Stage::Preview => ("Commit", &subject.head_sha),
        _ => ("Merge commit", &subject.merge_commit),
    };
    let commit = escape::code(&escape::short(commit, 8).replace('…', ""));
    let run = format!("[this run]({})", view.run_url);
    let mut text = match (&view.watcher, view.stage) {
        (_, Stage::Finished) => format!("Finished. Followed by {run}."),
        (_, Stage::Preview) => format!("A preview by {run}: nothing is deployed before the merge."),
        (_, Stage::Refused) => format!(
            "Checked by {run}. Once it is mended, run this workflow by `workflow_dispatch` with `pull-request: {}`; for what lies outside the repository (environments, settings), re-running {run} is enough.",
            subject.pull_request
        ),
        (_, Stage::Held) => format!("Checked by {run}. To release it, add the release label and re-run {run}."),
        (Watcher::Here, _) => format!("Followed by {run}. Approvals happen on the pages linked as Review."),
        (Watcher::Later, _) => format!(
            "As of {run}; the next run of the action looks again. Approvals happen on the pages linked as Review."
        ),
        (Watcher::Nobody(why), _) => format!(
            "**Nobody is watching any more** ({}): this comment stays as it is until {run} is re-run. The deployments themselves go on.",
            escape::prose(why)
        ),
    };
    if view.stage == Stage::Finished
        && !matches!(view.tally().result(), crate::tally::Outcome::Succeeded | crate::tally::Outcome::Skipped)
    {
        text.push_str(" To try again what did not succeed, re-run it.");
    }
    format!("\n<sub>{text} {what} {commit}.</sub>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_known_by_its_first_line_and_key() {
        let body = format!("{}\nx", marker("a b"));
        assert!(is_ours(&body, "a b") && !is_ours(&body, "a") && !is_ours(&format!("hi\n{body}"), "a b"));
        assert!(is_ours(&body.replace('\n', "\r\n"), "a b"));
    }

    #[test]
    fn the_state_is_read_from_the_last_line_alone() {
        assert_eq!(state_in("x\n<!-- deployment-approvals-state AbC= -->\n"), Some("AbC="));
        assert_eq!(state_in("<!-- deployment-approvals-state AbC= -->\nmore"), None);
    }
}
