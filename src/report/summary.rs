//! The job summary: what the comment shows, with the timeline, and with room for more.

use super::{
    View,
    comment::{self, Place},
    escape, fold, table, words,
};
use crate::rollout::Deployment;

/// GitHub drops a summary above 1 MiB whole.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits>
const LARGEST: usize = 1_000_000;

/// The summary's Markdown.
pub fn render(view: &View<'_>) -> String {
    let head = format!("## Deployments of pull request #{}\n\n", view.rollout.subject.pull_request);
    format!("{head}{}\n", comment::text(view, Place::Summary, LARGEST - head.len() - 1))
}

/// The summaries of several rollouts, as long as there is room for them.
pub fn join(summaries: Vec<String>) -> String {
    let (mut text, more) = fold::fit(summaries.into_iter().map(|summary| summary + "\n"), usize::MAX, LARGEST);
    if more > 0 {
        text.push_str(&format!("\nand {more} more, in their comments and in the output `deployments`\n"));
    }
    text
}

/// The summary of a run that made no rollout: one sentence that says why.
pub fn sentence(text: &str) -> String {
    format!("## Deployments\n\n{}\n", escape::prose(&escape::short(text, 4000)))
}

/// What a dry run shows: each deployment with the setting or rule that decided it.
pub fn plan(view: &View<'_>) -> String {
    let mut text = format!(
        "## A dry run for pull request #{}\n\n{}. Nothing was dispatched.\n\n| # | Deployment | Environment | Workflow | After | Why |\n|---|---|---|---|---|---|\n",
        view.rollout.subject.pull_request,
        words::plural(view.standings.len() - view.tally().skipped, "deployment")
    );
    let rows = view.rollout.deployments.iter().enumerate().map(|(index, deployment)| plan_row(index, deployment));
    let (rows, more) = fold::fit(rows, usize::MAX, LARGEST / 2);
    text.push_str(&rows);
    if more > 0 {
        text.push_str(&format!("\nand {more} more, in the log and in the output `deployments`\n"));
    }
    text.push_str(&table::findings(view, LARGEST.saturating_sub(text.len())));
    text
}

fn plan_row(index: usize, deployment: &Deployment) -> String {
    let planned = &deployment.planned;
    let row = match &planned.skip {
        Some(reason) => format!("none | | | {}", escape::prose(&escape::short(reason, 300))),
        None => format!(
            "{} | {} | {} | {}",
            words::environment(&planned.environment),
            escape::code(&escape::short(&planned.workflow, 100)),
            words::numbers(&planned.needs),
            escape::prose(&escape::short(&planned.why, 300))
        ),
    };
    format!("| {} | {} | {row} |\n", index + 1, words::name(planned))
}
