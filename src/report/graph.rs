//! The dependencies as a Mermaid graph, where there are any and it stays readable. No colour is set, so that it
//! is right in light and dark.

use std::collections::BTreeSet;

use super::{View, escape, fold, words};
use crate::{
    ordered::Ordered,
    rollout::{Deployment, Standing},
    state::Stage,
};

/// Nodes and edges of a graph that can still be read.
const MOST_NODES: usize = 40;
const MOST_EDGES: usize = 80;

/// The graph; empty where there is none to show in `room` bytes.
pub fn graph(view: &View<'_>, room: usize) -> String {
    let deployments = &view.rollout.deployments;
    let edges: Vec<(usize, usize)> = deployments
        .iter()
        .enumerate()
        .flat_map(|(index, deployment)| deployment.planned.needs.iter().map(move |need| (*need, index)))
        .take(MOST_EDGES + 1)
        .collect();
    let nodes: BTreeSet<usize> = edges.iter().flat_map(|(need, index)| [*need, *index]).ordered();
    if edges.is_empty() || edges.len() > MOST_EDGES || nodes.len() > MOST_NODES {
        return String::new();
    }
    let mut text = "```mermaid\ngraph LR\n  accTitle: What comes after what\n".to_owned();
    for (index, (deployment, standing)) in view.rows().enumerate().filter(|(index, _)| nodes.contains(index)) {
        text.push_str(&format!("  d{index}[\"{}\"]\n", label(view, deployment, standing)));
    }
    for (need, index) in edges {
        text.push_str(&format!("  d{need} --> d{index}\n"));
    }
    text.push_str("```\n");
    let section = fold::details("Dependencies", false, &text);
    if section.len() <= room { section } else { String::new() }
}

/// Component, place and status; of a plan, the environment.
fn label(view: &View<'_>, deployment: &Deployment, standing: &Standing) -> String {
    let planned = &deployment.planned;
    let place = planned.stack.as_ref().unwrap_or(&planned.environment);
    let below = match (view.stage, &planned.skip) {
        (Stage::Preview | Stage::Held, None) => planned.environment.clone(),
        _ => words::status(standing.status),
    };
    let mut lines = vec![&planned.component, place, &below];
    lines.dedup();
    let lines: Vec<String> = lines.into_iter().map(|line| escape::mermaid(&escape::short(line, 60))).collect();
    lines.join("<br>")
}
