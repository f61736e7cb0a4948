//! Every check that is made before anything is applied: its code, how bad it is, what it says, what mends it.
//!
//! The README's table is this one; a test keeps the two equal. `…` stands for what differs from case to case.

/// A check, by what it is about. The order is that of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The token lacks a permission.
    Permission,
    /// The affected list, or the changed files, cannot be used.
    List,
    /// An item cannot be mapped to what deploys it.
    Mapping,
    /// Dependencies form a cycle.
    Cycle,
    /// The config cannot be used, or says something that can have no effect.
    Config,
    /// The state would not fit into the comment.
    StateSize,
    /// The rollout is larger than `max-deployments`.
    MaxDeployments,
    /// An environment does not exist.
    EnvironmentMissing,
    /// What is needed to know of environments could not be read.
    EnvironmentUnreadable,
    /// Nothing holds a deployment back.
    EnvironmentUnprotected,
    /// The environment does not admit the ref.
    EnvironmentRef,
    /// No job takes its environment from what is passed.
    JobEnvironment,
    /// Which environment the jobs take cannot be told.
    JobEnvironmentUnknown,
    /// The workflow is not there.
    WorkflowMissing,
    /// The workflow is disabled.
    WorkflowDisabled,
    /// The workflow cannot be read.
    WorkflowUnreadable,
    /// The workflow has no `workflow_dispatch`.
    WorkflowNotDispatchable,
    /// An input is passed that is not declared.
    InputUndeclared,
    /// A required input is not passed.
    InputMissing,
    /// An input's value is none of those it takes.
    InputValue,
    /// Too many inputs, or too long ones.
    InputLimits,
    /// The server names no runs, and the title shows no id.
    RunTitle,
    /// A workflow-level concurrency group.
    Concurrency,
    /// A preview knows no test merge.
    TestMerge,
    /// No input receives the merge commit.
    MergeCommit,
    /// `prevent_self_review` sees the token's bot.
    SelfReview,
}

/// A row of the README's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The check.
    pub check: Check,
    /// Its stable name.
    pub code: &'static str,
    /// `error`, `warning`, or when it is which.
    pub severity: &'static str,
    /// What it says.
    pub shape: &'static str,
    /// What mends it.
    pub remedy: &'static str,
}

const fn row(
    check: Check,
    code: &'static str,
    severity: &'static str,
    shape: &'static str,
    remedy: &'static str,
) -> Row {
    Row { check, code, severity, shape, remedy }
}

const ERROR: &str = "error";
const WARNING: &str = "warning";
const STRICTER: &str = "warning, error under `protected`";

/// All checks, the most important first.
pub const ALL: [Row; 26] = [
    row(
        Check::Permission,
        "permission",
        ERROR,
        "GitHub refuses … (HTTP 403: …)",
        "Add the `permissions:` line that is named. The token of a fork's or Dependabot's `pull_request` run only reads: use the `push` trigger",
    ),
    row(
        Check::List,
        "list",
        ERROR,
        "what is affected cannot be told: …",
        "Correct the place of the list that is named, or the step that writes it; give a list where GitHub names too few files",
    ),
    row(
        Check::Mapping,
        "mapping",
        ERROR,
        "nothing maps it to an environment, or what maps it cannot be used: …",
        "Map the item by a rule or by its own settings, or say `environment: none`",
    ),
    row(Check::Cycle, "cycle", ERROR, "form a cycle: …", "Remove one of the dependencies that are named"),
    row(
        Check::Config,
        "config",
        "error; what has no effect: warning",
        "the file has a mistake at the line and column that are named; a rule can never match, or `after` names what nothing else does: …",
        "Correct it; where nothing is checked out it is read at the merge commit, so check the branch out too. Put the rule before the one that is named, or take it away; correct the name, or list it under `environments`",
    ),
    row(
        Check::StateSize,
        "state-size",
        ERROR,
        "their state takes … characters, and the comment has room for …",
        "Split the rollout with several uses of the action that each have a `comment-key`, or shorten names and inputs",
    ),
    row(
        Check::MaxDeployments,
        "max-deployments",
        WARNING,
        "… are more than `max-deployments: …` allows, so none is made",
        "Add the `release-label`, then re-run the job",
    ),
    row(
        Check::EnvironmentMissing,
        "environment-missing",
        ERROR,
        "does not exist; GitHub would create it without any protection",
        "Correct the name where components are mapped to it, or create it under Settings → Environments",
    ),
    row(
        Check::EnvironmentUnreadable,
        "environment-unreadable",
        "error; a single rule that cannot be read: warning, error under `protected`",
        "cannot be read: …",
        "Look at what GitHub answers. Where a private repository has no environments on its plan, `environment-check: off` deploys without gates",
    ),
    row(
        Check::EnvironmentUnprotected,
        "environment-unprotected",
        STRICTER,
        "has no required reviewers, wait timer or custom rule: …",
        "Protect it under Settings → Environments. In private repositories these rules need GitHub Enterprise",
    ),
    row(
        Check::EnvironmentRef,
        "environment-ref",
        ERROR,
        "does not admit deployments from `…`: …",
        "Allow the branch or tag under Settings → Environments, or dispatch on one that is allowed",
    ),
    row(
        Check::JobEnvironment,
        "job-environment",
        "error, warning under `off`",
        "no job of workflow `…` takes this environment: …",
        "Give the job that applies `environment:` with the input that is passed",
    ),
    row(
        Check::JobEnvironmentUnknown,
        "job-environment-unknown",
        STRICTER,
        "it cannot be told whether a job of workflow `…` takes this environment: …",
        "Let the job's `environment:` be the input itself, in this workflow or one that it calls from the same repository",
    ),
    row(
        Check::WorkflowMissing,
        "workflow-missing",
        "error; in a preview of the pull request that adds it: warning",
        "workflow `…` does not exist on …",
        "Add the file there, or correct its name where the component is mapped to it",
    ),
    row(
        Check::WorkflowDisabled,
        "workflow-disabled",
        ERROR,
        "workflow `…` is not active (`…`)",
        "Enable it on the repository's Actions page",
    ),
    row(
        Check::WorkflowUnreadable,
        "workflow-unreadable",
        ERROR,
        "workflow `…` cannot be read on `…`: …",
        "Mend the file",
    ),
    row(
        Check::WorkflowNotDispatchable,
        "workflow-not-dispatchable",
        ERROR,
        "workflow `…` has no `workflow_dispatch` trigger on `…`",
        "Add `workflow_dispatch:` under `on:`, with the inputs it takes",
    ),
    row(
        Check::InputUndeclared,
        "input-undeclared",
        ERROR,
        "workflow `…` declares no input …",
        "Declare it under `on.workflow_dispatch.inputs`, or do not pass it",
    ),
    row(
        Check::InputMissing,
        "input-missing",
        ERROR,
        "workflow `…` requires the input …, and nothing sets it",
        "Set it where the component is mapped to the workflow",
    ),
    row(
        Check::InputValue,
        "input-value",
        ERROR,
        "input `…` of workflow `…` takes no `…`",
        "Pass a value of the input's type: one of its options, `true` or `false`, a number, an environment that exists",
    ),
    row(
        Check::InputLimits,
        "input-limits",
        ERROR,
        "… are more than GitHub takes",
        "At most 25 inputs, and 65,535 characters for all of them",
    ),
    row(
        Check::RunTitle,
        "run-title",
        ERROR,
        "this server does not name the run that a dispatch makes, and the `run-name` of workflow `…` does not show the deployment's id",
        "Show an input that carries the id, such as `deployment_id`, in the `run-name`",
    ),
    row(
        Check::Concurrency,
        "concurrency",
        WARNING,
        "workflow `…` has a workflow-level `concurrency` group without `queue: max`: …",
        "Add `queue: max`, or move the group to the job that applies",
    ),
    row(
        Check::TestMerge,
        "test-merge",
        WARNING,
        "GitHub has no test merge of it, so …",
        "Resolve the pull request's conflicts with its base branch",
    ),
    row(
        Check::MergeCommit,
        "merge-commit",
        WARNING,
        "no input of workflow `…` receives the merge commit: …",
        "Declare the input `sha` and check it out",
    ),
    row(
        Check::SelfReview,
        "self-review",
        WARNING,
        "prevents self-review, and cannot see who merged: …",
        "Look at the decisions in the summary, where an approval by the author or the merger is marked",
    ),
];

impl Check {
    /// The stable name.
    pub fn code(self) -> &'static str {
        ALL.iter().find(|row| row.check == self).map_or("", |row| row.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_one_row_in_the_order_of_importance() {
        assert!(ALL.windows(2).all(|pair| pair[0].check < pair[1].check));
        assert!(ALL.iter().all(|row| row.check.code() == row.code));
        assert_eq!(Check::SelfReview as usize + 1, ALL.len());
    }
}
