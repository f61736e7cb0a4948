//! What changed since the last pass: one line each in the log, folded where there are many.

use super::{log, words};
use crate::{
    finding::quoted,
    rollout::{Deployment, Rollout, Standing, Status},
    run::{Reviewer, Time},
};

/// Changes that are logged one below the other; more are folded.
const MOST_OPEN: usize = 20;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is now.
    pub status: Status,
    /// The line, with a link to the run.
    pub line: String,
}

/// The changes from the statuses `before` to the standings of `now`. `runs` is the page of all runs.
pub fn since(rollout: &Rollout, standings: &[Standing], before: &[Status], now: Time, runs: &str) -> Vec<Change> {
    rollout
        .deployments
        .iter()
        .zip(standings)
        .enumerate()
        .filter(|(index, (_, standing))| before.get(*index) != Some(&standing.status))
        .map(|(index, (deployment, standing))| {
            let mut line = line(deployment, standing, before.get(index) == Some(&Status::Waiting), now);
            if let Some(run) = deployment.run() {
                line.push_str(&format!(" ({runs}/{})", run.id));
            }
            Change { status: standing.status, line }
        })
        .collect()
}

/// Logs them. What ended badly is never folded while it is few; annotations come at the end, when it is known
/// which are the most important.
pub fn log(changes: &[Change]) {
    let bad = |change: &&Change| change.status > Status::Succeeded && change.status != Status::Skipped;
    let open: Vec<&Change> = if changes.len() <= MOST_OPEN {
        changes.iter().collect()
    } else {
        changes.iter().filter(bad).take(MOST_OPEN).collect()
    };
    open.iter().for_each(|change| tracing::info!("{}", change.line));
    if open.len() < changes.len() {
        log::group(&counted(changes), || {
            changes.iter().for_each(|change| tracing::info!("{}", change.line));
        });
    }
}

/// `1000 changes: 990 queued, 10 blocked`
fn counted(changes: &[Change]) -> String {
    let mut counts = std::collections::BTreeMap::<Status, usize>::new();
    changes.iter().for_each(|change| *counts.entry(change.status).or_default() += 1);
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {}", status.word())).collect();
    format!("{}: {}", words::plural(changes.len(), "change"), counts.join(", "))
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
        reviewers.sort_unstable();
        reviewers.dedup();
        let names: Vec<String> = reviewers.into_iter().map(ToString::to_string).collect();
        if !names.is_empty() {
            line.push_str(&format!(" for approval by {}", names.join(" or ")));
        }
    }
    if let Some(since) = deployment.waiting_since.filter(|_| waited) {
        let until = deployment.running_since.unwrap_or(now);
        line.push_str(&format!(", waited {}", words::span(until - since)));
    }
    if let Some(ran) = words::ran(deployment) {
        line.push_str(&format!(", ran {}", words::span(ran)));
    }
    if !standing.reason.is_empty() {
        line.push_str(&format!(": {}", standing.reason));
    }
    line
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::{
        plan::{Planned, Subject},
        rollout::{End, Phase, Progress, Run},
    };

    #[test]
    fn a_change_tells_how_long_it_waited_and_ran_and_many_are_counted() {
        let planned = Planned { component: "vpc".to_owned(), environment: "prod".to_owned(), ..Planned::default() };
        let mut deployment = Deployment::new(planned);
        let at = |seconds| Time::UNIX_EPOCH + TimeDelta::seconds(seconds);
        deployment.waiting_since = Some(at(60));
        deployment.running_since = Some(at(7560));
        let run = Run { id: 9, attempt: 1, phase: Phase::Running };
        deployment.progress =
            Progress::Ended { end: End::Succeeded, reason: None, at: at(7812), run: Some(run), job: None };
        let rollout = Rollout { subject: Subject::default(), started_at: at(0), deployments: vec![deployment] };
        let changes = since(&rollout, &rollout.standings(), &[Status::Waiting], at(9000), "runs");
        assert_eq!(changes[0].line, "`vpc` → `prod`: succeeded, waited 2h 5m, ran 4m 12s (runs/9)");
        assert_eq!(counted(&vec![changes[0].clone(); 30]), "30 changes: 30 succeeded");
        assert!(since(&rollout, &rollout.standings(), &[Status::Succeeded], at(9000), "runs").is_empty());
    }
}
