//! Facts about a workflow run, as GitHub tells them: own small types, filled at the door (`github`).

use chrono::{DateTime, Utc};

/// A moment; GitHub's own have whole seconds.
pub type Time = DateTime<Utc>;

/// A workflow run at one look.
/// <https://docs.github.com/en/rest/actions/workflow-runs>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The run's id.
    pub id: u64,
    /// Its attempt, from 1.
    pub attempt: u64,
    /// `queued`, `waiting`, `in_progress`, `completed` or another word.
    pub status: String,
    /// Set once completed.
    pub conclusion: Option<String>,
    /// The title, in which `run-name` may show an id.
    pub title: String,
    /// The workflow's file, such as `.github/workflows/apply.yml`.
    pub path: String,
    /// The event that started it.
    pub event: String,
    /// When it was created.
    pub created_at: Time,
    /// When its present attempt began.
    pub began_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

impl RunFacts {
    /// Whether the run has ended.
    pub fn completed(&self) -> bool {
        self.status == "completed"
    }

    /// Whether this is a dispatched run of the given workflow file.
    pub fn is_dispatch_of(&self, workflow: &str) -> bool {
        let path = self.path.split('@').next().unwrap_or_default();
        // A list of one workflow need not repeat its path.
        self.event == "workflow_dispatch" && (path.is_empty() || path.rsplit('/').next() == Some(workflow))
    }
}

/// An environment whose protection rules hold a run back.
/// <https://docs.github.com/en/rest/actions/workflow-runs#get-pending-deployments-for-a-workflow-run>
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gate {
    /// The environment.
    pub environment: String,
    /// Who may approve: logins, and teams as `team name`.
    pub reviewers: Vec<Reviewer>,
    /// The wait timer in minutes; 0: none.
    pub wait_minutes: u64,
    /// When the wait timer began.
    pub wait_started_at: Option<Time>,
}

/// Who may approve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reviewer {
    /// A person's login.
    User(String),
    /// A team's slug.
    Team(String),
}

impl std::fmt::Display for Reviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(login) => write!(f, "{login}"),
            Self::Team(slug) => write!(f, "team {slug}"),
        }
    }
}

impl Reviewer {
    /// The name alone.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Team(name) => name,
        }
    }
}

/// What somebody decided about a run's environments.
/// <https://docs.github.com/en/rest/actions/workflow-runs#get-the-review-history-for-a-workflow-run>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// `approved`, `rejected` or another word.
    pub state: String,
    /// The person's login.
    pub user: String,
    /// What they said; may be empty.
    pub comment: String,
    /// The environments it was about.
    pub environments: Vec<String>,
    /// When this program first saw it: GitHub tells no time.
    pub seen_at: Time,
}

/// Characters of a review's comment that are kept: a thousand people may each write thousands.
pub const LONGEST_WORDS: usize = 500;

/// What a text that was cut ends with.
const CUT: char = '…';

/// The first `most` characters of a text; what was cut shows that it was.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain([CUT]).collect()
}

impl Review {
    /// Whether `seen` is another sight of this review, of whose comment a state may have kept only the beginning.
    pub fn same(&self, seen: &Self) -> bool {
        let comment = match self.comment.strip_suffix(CUT) {
            Some(beginning) => seen.comment.starts_with(beginning),
            None => seen.comment == self.comment,
        };
        comment && (&self.state, &self.user, &self.environments) == (&seen.state, &seen.user, &seen.environments)
    }
}

/// A job of a run's latest attempt.
/// <https://docs.github.com/en/rest/actions/workflow-jobs>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The job's id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Set once completed.
    pub conclusion: Option<String>,
    /// Whether a runner ever took it.
    pub ran: bool,
    /// The first step that ended badly.
    pub failed_step: Option<String>,
}

/// A run at one look, with the details that the change asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The run.
    pub run: RunFacts,
    /// What holds it back, where that was asked.
    pub gates: Option<Vec<Gate>>,
    /// Who decided what, where that was asked.
    pub reviews: Option<Vec<Review>>,
    /// The jobs, where they were asked for.
    pub jobs: Option<Vec<Job>>,
}
