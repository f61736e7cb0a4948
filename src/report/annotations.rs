//! Findings and bad ends as annotations of the run. GitHub shows ten of each kind a step, so the most important come first
//! and the last one says how many there are besides.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>

use super::{
    escape,
    log::{self, COMMAND},
};
use crate::{
    finding::{Finding, Severity, quoted},
    rollout::{Deployment, Progress, Rollout, Standing, Status},
};

/// Annotations of a kind; one is left for the count of the rest.
const MOST: usize = 9;

/// Shows all findings, which are in order of importance already.
pub fn show(findings: &[Finding]) {
    for severity in [Severity::Error, Severity::Warning] {
        let all: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == severity).collect();
        all.iter().take(MOST).for_each(|finding| tracing::info!(target: COMMAND, "{}", command(finding)));
        let more = all.len().saturating_sub(MOST);
        if more == 0 {
            continue;
        }
        let text = format!("and {more} more, in the log below and in the job summary");
        match severity {
            Severity::Error => tracing::error!("{text}"),
            Severity::Warning => tracing::warn!("{text}"),
        }
        log::group("the rest of what the checks found", || {
            all.iter().skip(MOST).for_each(|finding| tracing::info!("{}: {}", finding.check.code(), finding.line()));
        });
    }
}

/// Shows what ended badly, the most important first: what nobody knows the state of, then failures, then
/// decisions of people. Their lines stand in the log already.
pub fn ends(rollout: &Rollout, runs: &str) {
    commands(rollout, runs).iter().for_each(|command| tracing::info!(target: COMMAND, "{command}"));
}

fn commands(rollout: &Rollout, runs: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let standings = rollout.standings();
    let rows = || rollout.deployments.iter().zip(&standings);
    let errors = [Status::Lost, Status::Expired, Status::Failed, Status::TimedOut];
    for (kind, statuses) in [("error", errors.as_slice()), ("warning", &[Status::Rejected, Status::Cancelled])] {
        let all: Vec<(&Deployment, &Standing)> =
            statuses.iter().flat_map(|status| rows().filter(move |(_, standing)| standing.status == *status)).collect();
        commands.extend(all.iter().take(MOST).map(|(deployment, standing)| ended(kind, deployment, standing, runs)));
        let more = all.len().saturating_sub(MOST);
        if more > 0 {
            commands.push(format!("::{kind}::and {more} more did not succeed: see the job summary"));
        }
    }
    commands
}

/// The workflow command of a bad end, with its status as the title.
fn ended(kind: &str, deployment: &Deployment, standing: &Standing, runs: &str) -> String {
    let planned = &deployment.planned;
    let mut text = format!("{} → {}", planned.name(), quoted(&planned.environment));
    if !standing.reason.is_empty() {
        text.push_str(&format!(": {}", standing.reason));
    }
    if let Some(run) = deployment.run() {
        text.push_str(&format!(" ({runs}/{}", run.id));
        if let Progress::Ended { job: Some(job), .. } = &deployment.progress {
            text.push_str(&format!("/job/{job}"));
        }
        text.push(')');
    }
    let title = escape::command_property(standing.status.word());
    format!("::{kind} title={title}::{}", escape::command_data(&text))
}

/// The workflow command of a finding, with its check as the title and its place in the file.
fn command(finding: &Finding) -> String {
    let kind = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = format!("title={}", escape::command_property(finding.check.code()));
    if let Some(place) = &finding.place {
        properties.push_str(&format!(",file={}", escape::command_property(&place.file)));
        if let Some(line) = place.line {
            properties.push_str(&format!(",line={line}"));
        }
        if let Some(column) = place.column {
            properties.push_str(&format!(",col={column}"));
        }
    }
    format!("::{kind} {properties}::{}", escape::command_data(&finding.line()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checks::Check,
        plan::{Planned, Subject},
        rollout::End,
        run::Time,
    };

    fn ended_as(ends: impl IntoIterator<Item = End>) -> Rollout {
        let deployment = |(index, end): (usize, End)| {
            let component = format!("c{index}");
            let mut deployment =
                Deployment::new(Planned { component, environment: "p".to_owned(), ..Planned::default() });
            let reason = Some("why\n::error::x".to_owned());
            deployment.progress = Progress::Ended { end, reason, at: Time::UNIX_EPOCH, run: None, job: None };
            deployment
        };
        let deployments = ends.into_iter().enumerate().map(deployment).collect();
        Rollout { subject: Subject::default(), started_at: Time::UNIX_EPOCH, deployments }
    }

    #[test]
    fn what_nobody_knows_comes_before_failures_and_decisions_of_people_after_them() {
        let all = ended_as([End::Rejected, End::Succeeded, End::Failed, End::Lost]);
        assert_eq!(
            commands(&all, "runs"),
            [
                "::error title=lost::`c3` → `p`: why%0A::error::x",
                "::error title=failed::`c2` → `p`: why%0A::error::x",
                "::warning title=rejected::`c0` → `p`: why%0A::error::x",
            ]
        );
    }

    #[test]
    fn a_thousand_failures_are_ten_annotations() {
        let commands = commands(&ended_as(std::iter::repeat_n(End::Failed, 1000)), "runs");
        assert_eq!(commands.len(), 10);
        assert_eq!(commands[9], "::error::and 991 more did not succeed: see the job summary");
    }

    #[test]
    fn a_finding_becomes_a_command_that_nothing_foreign_can_break() {
        let finding = Finding::of(Check::InputValue, Severity::Error, "takes no `a\n::set-env::b`", "Mend it")
            .at(".github/workflows/a,b:c.yml", Some(7));
        assert_eq!(
            command(&finding),
            "::error title=input-value,file=.github/workflows/a%2Cb%3Ac.yml,line=7::takes no `a%0A::set-env::b` (in `.github/workflows/a,b:c.yml:7`). Mend it"
        );
    }
}
