//! What a merge would deploy: in which order, and whose approval each would need.

use super::{View, escape, fold, words};
use crate::{
    github::{Environment, Rules},
    preflight::environments::find,
    rollout::Deployment,
};

/// The table of a plan, in at most `room` bytes.
pub fn table(view: &View<'_>, room: usize) -> String {
    let [deployment, approval] = ["Deployment", "Approval by"].map(words::head);
    let head = format!("\n| # | {deployment} | {approval} | After |\n|---|---|---|---|\n");
    let all = &view.rollout.deployments;
    let Some(room) = room.checked_sub(head.len() + 100).filter(|_| !all.is_empty()) else {
        return String::new();
    };
    let rows = all.iter().enumerate().map(|(index, deployment)| row(view, index, deployment));
    let (rows, more) = fold::fit(rows, usize::MAX, room);
    let mut text = format!("{head}{rows}");
    if more > 0 {
        text.push_str(&format!("\nand {more} more; the job summary and the output `deployments` have all\n"));
    }
    text
}

fn row(view: &View<'_>, index: usize, Deployment { planned, .. }: &Deployment) -> String {
    let number = index + 1;
    let deployment = words::deployment(planned);
    if let Some(reason) = &planned.skip {
        return format!(
            "| {number} | {deployment} | not deployed: {} | |\n",
            escape::prose(&escape::short(reason, 160))
        );
    }
    format!(
        "| {number} | {deployment} | {} | {} |\n",
        approval(find(view.environments, &planned.environment)),
        words::numbers(&planned.needs)
    )
}

/// What holds a deployment to that environment back.
fn approval(environment: Option<&Environment>) -> String {
    let Some(rules) = environment.and_then(|environment| environment.rules.as_ref()) else {
        return "not known".to_owned();
    };
    let Rules { reviewers, wait_minutes, apps, .. } = rules;
    let mut parts = Vec::new();
    if !reviewers.is_empty() {
        parts.push(words::reviewers(reviewers));
    }
    parts.extend(apps.iter().map(|app| format!("app {}", escape::code(app))));
    if *wait_minutes > 0 {
        parts.push(format!("a timer of {}", words::plural(usize::try_from(*wait_minutes).unwrap_or(0), "minute")));
    }
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(", and ") }
}
