//! What changed since the last pass, in one line each, for the log.

use std::time::Duration;

use crate::{
    finding::quoted,
    rollout::{Deployment, Rollout, Standing, Status},
    run::{Reviewer, Time},
};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is now.
    pub status: Status,
    /// The line, without a link.
    pub line: String,
    /// The run, for a link.
    pub run: Option<u64>,
}

/// The changes from the statuses `before` to the standings of `now`.
pub fn since(rollout: &Rollout, standings: &[Standing], before: &[Status], now: Time) -> Vec<Change> {
    rollout
        .deployments
        .iter()
        .zip(standings)
        .enumerate()
        .filter(|(index, (_, standing))| before.get(*index) != Some(&standing.status))
        .map(|(index, (deployment, standing))| Change {
            status: standing.status,
            line: line(deployment, standing, before.get(index) == Some(&Status::Waiting), now),
            run: deployment.run().map(|run| run.id),
        })
        .collect()
}

fn line(deployment: &Deployment, standing: &Standing, waited: bool, now: Time) -> String {
    let planned = &deployment.planned;
    let mut line = planned.name();
    if !planned.environment.is_empty() {
        line.push_str(&format!(" → {}", quoted(&planned.environment)));
    }
    line.push_str(&format!(": {}", standing.status.word()));
    if standing.status == Status::Waiting {
        let mut reviewers: Vec<&Reviewer> = deployment.gates.iter().flat_map(|gate| &gate.reviewers).collect();
        reviewers.sort();
        reviewers.dedup();
        let names: Vec<String> = reviewers.into_iter().map(ToString::to_string).collect();
        if !names.is_empty() {
            line.push_str(&format!(" for approval by {}", names.join(" or ")));
        }
    }
    if let Some(since) = deployment.waiting_since.filter(|_| waited) {
        let length = now.signed_duration_since(since).to_std().unwrap_or_default();
        line.push_str(&format!(", waited {}", humantime::format_duration(Duration::from_secs(length.as_secs()))));
    }
    if !standing.reason.is_empty() {
        line.push_str(&format!(": {}", standing.reason));
    }
    line
}
