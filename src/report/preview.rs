//! What a merge would deploy: in which order, and whose approval each would need.

use super::{View, escape, words};
use crate::{
    github::{Environment, Rules},
    preflight::environments::find,
    rollout::Deployment,
    run::Gate,
};

/// The table of a plan, in at most `room` bytes.
pub fn table(view: &View<'_>, room: usize) -> String {
    if view.rollout.deployments.is_empty() {
        return String::new();
    }
    let mut text = "\n| # | Deployment | Environment | Approval by | After |\n|---|---|---|---|---|\n".to_owned();
    let room = room.saturating_sub(100);
    let all = view.rollout.deployments.len();
    for (index, deployment) in view.rollout.deployments.iter().enumerate() {
        let row = row(view, index, deployment);
        if text.len() + row.len() > room {
            let more = words::plural(all - index, "more row");
            text.push_str(&format!("\n{more} not shown here; the job summary and the output have all.\n"));
            break;
        }
        text.push_str(&row);
    }
    text
}

fn row(view: &View<'_>, index: usize, deployment: &Deployment) -> String {
    let planned = &deployment.planned;
    let number = index + 1;
    let name = words::name(planned);
    if let Some(reason) = &planned.skip {
        return format!(
            "| {number} | {name} | none | not deployed: {} | |\n",
            escape::prose(&escape::short(reason, 160))
        );
    }
    let needs: Vec<String> = planned.needs.iter().map(|need| (need + 1).to_string()).collect();
    format!(
        "| {number} | {name} | {} | {} | {} |\n",
        escape::code(&planned.environment),
        approval(find(view.environments, &planned.environment)),
        needs.join(", ")
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
        parts.push(words::reviewers(&[Gate { reviewers: reviewers.clone(), ..Gate::default() }]));
    }
    parts.extend(apps.iter().map(|app| format!("app {}", escape::code(app))));
    if *wait_minutes > 0 {
        parts.push(format!("a timer of {}", words::plural(usize::try_from(*wait_minutes).unwrap_or(0), "minute")));
    }
    if parts.is_empty() { "nobody".to_owned() } else { parts.join(", and ") }
}
