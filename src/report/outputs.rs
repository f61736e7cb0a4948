//! The step's outputs, as `GITHUB_OUTPUT` takes them.

use serde::Serialize;

use crate::{
    rollout::{Progress, Rollout, Standing},
    run::Time,
    tally::{Outcome, Tally},
};

/// The names in `action.yml`, in its order. A test keeps the two equal.
pub const NAMES: [&str; 11] = [
    "result",
    "deployments",
    "succeeded",
    "failed",
    "rejected",
    "cancelled",
    "skipped",
    "pending",
    "pull-request",
    "comment-id",
    "comment-url",
];

/// All outputs.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// `result`
    pub result: Outcome,
    /// `deployments`
    pub deployments: Vec<Row>,
    /// The counts.
    pub tally: Tally,
    /// `pull-request`
    pub pull_request: Option<u64>,
    /// `comment-id`
    pub comment_id: Option<u64>,
    /// `comment-url`
    pub comment_url: Option<String>,
}

/// One object of the output `deployments`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// The pull request; only in a sweep, which has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// The deployment's id.
    pub id: String,
    /// What is deployed.
    pub component: String,
    /// The stack, or null.
    pub stack: Option<String>,
    /// The GitHub environment, or null where it is deliberately not deployed.
    pub environment: Option<String>,
    /// The workflow's file, or null likewise.
    pub workflow: Option<String>,
    /// See [`crate::rollout::Status`].
    pub status: &'static str,
    /// The run, once known.
    pub run_id: Option<u64>,
    /// Its page.
    pub run_url: Option<String>,
    /// Who may approve what holds it back now.
    pub reviewers: Vec<String>,
    /// Who decided what.
    pub reviews: Vec<ReviewRow>,
    /// The ids of what must have succeeded before.
    pub needs: Vec<String>,
    /// Why, where there is more to say; else empty.
    pub reason: String,
    /// When the run was created.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
}

/// One decision.
#[derive(Debug, Clone, Serialize)]
pub struct ReviewRow {
    /// `approved` or `rejected`.
    pub state: String,
    /// The person's login.
    pub user: String,
    /// What they said.
    pub comment: String,
    /// The environments it was about.
    pub environments: Vec<String>,
}

impl Outputs {
    /// The outputs of a run that knows no deployment.
    pub fn bare(result: Outcome) -> Self {
        Self {
            result,
            deployments: Vec::new(),
            tally: Tally::default(),
            pull_request: None,
            comment_id: None,
            comment_url: None,
        }
    }

    /// The lines of `GITHUB_OUTPUT`: each value is one line, so `name=value` is enough.
    /// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-output-parameter>
    pub fn lines(&self) -> String {
        let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let values = [
            self.result.word().to_owned(),
            serde_json::to_string(&self.deployments).unwrap_or_else(|_| "[]".to_owned()),
            self.tally.succeeded.to_string(),
            self.tally.failed.to_string(),
            self.tally.rejected.to_string(),
            self.tally.cancelled.to_string(),
            self.tally.skipped.to_string(),
            self.tally.pending.to_string(),
            number(self.pull_request),
            number(self.comment_id),
            self.comment_url.clone().unwrap_or_default(),
        ];
        NAMES.iter().zip(values).map(|(name, value)| format!("{name}={value}\n")).collect()
    }
}

/// The rows of a rollout.
pub fn rows(rollout: &Rollout, standings: &[Standing], server_url: &str) -> Vec<Row> {
    let ids: Vec<String> = rollout.deployments.iter().map(|deployment| rollout.id(deployment)).collect();
    rollout
        .deployments
        .iter()
        .zip(standings)
        .zip(&ids)
        .map(|((deployment, standing), id)| {
            let planned = &deployment.planned;
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let run_id = deployment.run().map(|run| run.id);
            Row {
                pull_request: None,
                id: id.clone(),
                component: planned.component.clone(),
                stack: planned.stack.clone(),
                environment: some(&planned.environment),
                workflow: some(&planned.workflow),
                status: standing.status.word(),
                run_id,
                run_url: run_id.map(|run| format!("{server_url}/{}/actions/runs/{run}", rollout.subject.repository)),
                reviewers: {
                    let mut names: Vec<String> = deployment
                        .gates
                        .iter()
                        .flat_map(|gate| gate.reviewers.iter().map(|reviewer| reviewer.name().to_owned()))
                        .collect();
                    names.sort_unstable();
                    names.dedup();
                    names
                },
                reviews: deployment
                    .reviews
                    .iter()
                    .map(|review| ReviewRow {
                        state: review.state.clone(),
                        user: review.user.clone(),
                        comment: review.comment.clone(),
                        environments: review.environments.clone(),
                    })
                    .collect(),
                needs: planned.needs.iter().filter_map(|need| ids.get(*need).cloned()).collect(),
                reason: standing.reason.clone(),
                started_at: deployment.started_at.map(stamp),
                finished_at: match &deployment.progress {
                    Progress::Ended { at, .. } => Some(stamp(*at)),
                    _ => None,
                },
            }
        })
        .collect()
}

/// ISO 8601 in UTC with whole seconds, as GitHub writes it.
fn stamp(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
