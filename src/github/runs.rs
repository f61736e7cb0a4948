//! Workflow runs: lists, single runs, and what holds them back.
//!
//! Lists are asked without filters: GitHub answers filtered ones from a search index, which can lag far
//! behind. A workflow's own list is asked, so that other runs of a busy repository do not crowd ours out.
//!
//! <https://docs.github.com/en/rest/actions/workflow-runs>

use chrono::{DateTime, Utc};
use http::{Method, header};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Github, Trouble, has_next,
    http::{Call, Repeat, Reply},
    limits::Kind,
    parse,
    workflows::segment,
};
use crate::run::{Gate, Job, LONGEST_WORDS, Review, Reviewer, RunFacts, Time, cut};

/// An answer to a conditional request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh<T> {
    /// As it was when last asked: the answer cost nothing.
    Same,
    /// A new answer.
    New {
        /// To ask next time.
        etag: Option<String>,
        /// What it says.
        value: T,
    },
}

#[derive(Deserialize)]
struct RunWire {
    id: u64,
    #[serde(default)]
    run_attempt: Option<u64>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    display_title: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    event: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    run_started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct RunsWire {
    workflow_runs: Vec<RunWire>,
}

#[derive(Deserialize)]
struct GateWire {
    #[serde(default)]
    environment: Option<NamedWire>,
    #[serde(default)]
    wait_timer: Option<u64>,
    #[serde(default)]
    wait_timer_started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    reviewers: Option<Vec<ReviewerWire>>,
}

#[derive(Deserialize)]
struct NamedWire {
    #[serde(default)]
    name: String,
}

/// A person or a team, as gates and environments name them.
#[derive(Deserialize)]
pub(super) struct ReviewerWire {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reviewer: Option<WhoWire>,
}

#[derive(Deserialize)]
struct WhoWire {
    #[serde(default)]
    login: Option<String>,
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct ReviewWire {
    #[serde(default)]
    state: String,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    user: Option<WhoWire>,
    #[serde(default)]
    environments: Option<Vec<NamedWire>>,
}

#[derive(Deserialize)]
struct JobsWire {
    jobs: Vec<JobWire>,
}

#[derive(Deserialize)]
struct JobWire {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    runner_id: Option<u64>,
    #[serde(default)]
    steps: Option<Vec<StepWire>>,
}

#[derive(Deserialize)]
struct StepWire {
    #[serde(default)]
    name: String,
    #[serde(default)]
    conclusion: Option<String>,
}

impl From<RunWire> for RunFacts {
    fn from(wire: RunWire) -> Self {
        let mut status = wire.status.unwrap_or_default();
        if status == "completed" && wire.conclusion.is_none() {
            // How it ended is not written down yet: the next look will tell.
            "in_progress".clone_into(&mut status);
        }
        Self {
            id: wire.id,
            attempt: wire.run_attempt.unwrap_or(1),
            status,
            conclusion: wire.conclusion,
            title: wire.display_title.or(wire.name).unwrap_or_default(),
            path: wire.path.unwrap_or_default(),
            event: wire.event.unwrap_or_default(),
            created_at: wire.created_at,
            began_at: wire.run_started_at.unwrap_or(wire.created_at),
            updated_at: wire.updated_at.unwrap_or(wire.created_at),
        }
    }
}

impl ReviewerWire {
    pub(super) fn reviewer(self) -> Option<Reviewer> {
        let who = self.reviewer?;
        Some(match self.kind.as_str() {
            "Team" => Reviewer::Team(who.slug.or(who.name)?),
            _ => Reviewer::User(who.login.or(who.name)?),
        })
    }
}

impl From<GateWire> for Gate {
    fn from(wire: GateWire) -> Self {
        Self {
            environment: wire.environment.map(|environment| environment.name).unwrap_or_default(),
            reviewers: wire.reviewers.into_iter().flatten().filter_map(ReviewerWire::reviewer).collect(),
            wait_minutes: wire.wait_timer.unwrap_or(0),
            wait_started_at: wire.wait_timer_started_at,
        }
    }
}

impl From<JobWire> for Job {
    fn from(wire: JobWire) -> Self {
        // The times of a job that never started are made up; steps are not, nor is a runner where no steps are told.
        let ran = match &wire.steps {
            Some(steps) => !steps.is_empty(),
            None => wire.runner_id.is_some_and(|runner| runner > 0),
        };
        let steps = wire.steps.unwrap_or_default();
        let bad = |step: &&StepWire| {
            step.conclusion.as_deref().is_some_and(|word| !matches!(word, "success" | "skipped" | "neutral"))
        };
        Self {
            id: wire.id,
            name: wire.name,
            conclusion: wire.conclusion,
            ran,
            failed_step: steps.iter().find(bad).map(|step| step.name.clone()),
        }
    }
}

fn tag(reply: &Reply) -> Option<String> {
    reply.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned)
}

impl Github {
    /// A page of a workflow's runs (or of all runs where the workflow itself is gone), the newest first, and
    /// whether there are older ones.
    pub async fn runs(
        &self,
        workflow: Option<&str>,
        page: u32,
        etag: Option<&str>,
    ) -> Result<Fresh<(Vec<RunFacts>, bool)>, Trouble> {
        let list = match workflow {
            Some(file) => format!("{}/actions/workflows/{}/runs", self.repo, segment(file)),
            None => format!("{}/actions/runs", self.repo),
        };
        let path = format!("{list}?per_page=100&page={page}");
        self.unless(&path, etag, |reply, wire: RunsWire| {
            let more = has_next(reply, wire.workflow_runs.len() >= 100);
            (wire.workflow_runs.into_iter().map(RunFacts::from).collect(), more)
        })
        .await
    }

    /// One run.
    pub async fn run(&self, id: u64) -> Result<RunFacts, Trouble> {
        let wire: RunWire = self.get(&format!("{}/actions/runs/{id}", self.repo)).await?;
        Ok(wire.into())
    }

    /// One run, unless it is as it was.
    pub async fn run_unless(&self, id: u64, etag: Option<&str>) -> Result<Fresh<RunFacts>, Trouble> {
        let path = format!("{}/actions/runs/{id}", self.repo);
        self.unless(&path, etag, |_, wire: RunWire| wire.into()).await
    }

    /// What is at a path, unless it is as it was.
    async fn unless<W: DeserializeOwned, T>(
        &self,
        path: &str,
        etag: Option<&str>,
        value: impl FnOnce(&Reply, W) -> T,
    ) -> Result<Fresh<T>, Trouble> {
        let reply = self.http.send(&Call { etag, ..Call::get(path) }).await?;
        if reply.status.as_u16() == 304 {
            return Ok(Fresh::Same);
        }
        let wire = parse(&reply, path)?;
        Ok(Fresh::New { etag: tag(&reply), value: value(&reply, wire) })
    }

    /// One attempt of a run.
    pub async fn attempt(&self, id: u64, attempt: u64) -> Result<RunFacts, Trouble> {
        let wire: RunWire = self.get(&format!("{}/actions/runs/{id}/attempts/{attempt}", self.repo)).await?;
        Ok(wire.into())
    }

    /// What holds a run back.
    pub async fn gates(&self, run: u64) -> Result<Vec<Gate>, Trouble> {
        let wires: Vec<GateWire> = self.get(&format!("{}/actions/runs/{run}/pending_deployments", self.repo)).await?;
        Ok(wires.into_iter().map(Gate::from).collect())
    }

    /// Who decided what about a run, in all its attempts; `seen_at` is `now`, since GitHub tells no time.
    pub async fn reviews(&self, run: u64, now: Time) -> Result<Vec<Review>, Trouble> {
        let wires: Vec<ReviewWire> = self.get(&format!("{}/actions/runs/{run}/approvals", self.repo)).await?;
        Ok(wires
            .into_iter()
            .map(|wire| Review {
                state: wire.state,
                user: wire.user.and_then(|user| user.login).unwrap_or_default(),
                comment: cut(&wire.comment.unwrap_or_default(), LONGEST_WORDS),
                environments: wire.environments.into_iter().flatten().map(|environment| environment.name).collect(),
                seen_at: now,
            })
            .collect())
    }

    /// The jobs of a run's latest attempt. A matrix has up to 256, and a run may have several.
    pub async fn jobs(&self, run: u64) -> Result<Vec<Job>, Trouble> {
        const MOST_PAGES: u32 = 10;
        let path = format!("{}/actions/runs/{run}/jobs?filter=latest", self.repo);
        let wires = self.all_in(&path, MOST_PAGES, |page: JobsWire| page.jobs).await?;
        Ok(wires.into_iter().map(Job::from).collect())
    }

    /// Cancels a run; one that has ended already is fine.
    pub async fn cancel(&self, run: u64) -> Result<(), Trouble> {
        let path = format!("{}/actions/runs/{run}/cancel", self.repo);
        let call = Call::write(Method::POST, &path, None, Repeat::Always, Kind::Write);
        match self.http.send(&call).await {
            Ok(_) | Err(Trouble::Refused { status: 409, .. }) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }
}
