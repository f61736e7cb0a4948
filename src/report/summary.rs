//! The job summary: what the comment shows, without its limits.

use super::{View, comment, words};

/// GitHub drops a summary above 1 MiB whole.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits>
const LARGEST: usize = 1_000_000;

/// The summary's Markdown.
pub fn render(view: &View<'_>) -> String {
    let subject = &view.rollout.subject;
    format!("## Deployments of pull request #{}\n\n{}\n", subject.pull_request, comment::text(view, LARGEST))
}

/// The summary of a run that made no rollout: one sentence that says why.
pub fn sentence(text: &str) -> String {
    format!("## Deployments\n\n{}\n", super::escape::prose(&super::escape::short(text, 4000)))
}

/// What a dry run shows: each deployment with the setting or rule that decided it.
pub fn plan(view: &View<'_>) -> String {
    use super::escape::code;
    let mut text = format!(
        "## A dry run for pull request #{}\n\n{}. Nothing was dispatched.\n\n| # | Deployment | Environment | Workflow | After | Why |\n|---|---|---|---|---|---|\n",
        view.rollout.subject.pull_request,
        words::plural(view.standings.len() - view.tally().skipped, "deployment")
    );
    for (index, deployment) in view.rollout.deployments.iter().enumerate() {
        let planned = &deployment.planned;
        let needs: Vec<String> = planned.needs.iter().map(|need| (need + 1).to_string()).collect();
        let row = match &planned.skip {
            Some(reason) => format!("none | | | {}", super::escape::prose(reason)),
            None => format!(
                "{} | {} | {} | {}",
                code(&planned.environment),
                code(&planned.workflow),
                needs.join(", "),
                super::escape::prose(&planned.why)
            ),
        };
        let row = format!("| {} | {} | {row} |\n", index + 1, words::name(planned));
        if text.len() + row.len() > LARGEST {
            break;
        }
        text.push_str(&row);
    }
    text.push_str(&comment::findings(view, LARGEST.saturating_sub(text.len())));
    text
}
