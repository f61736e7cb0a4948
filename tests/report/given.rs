//! A small language for rollouts as a pass would leave them.

use chrono::TimeDelta;
use deployment_approvals::{
    context::{Context, Origin},
    finding::Finding,
    github::Environment,
    plan::{Planned, Subject},
    report::{View, Watcher, comment, summary},
    rollout::{Deployment, End, Phase, Progress, Rollout, Run},
    run::{Gate, Review, Reviewer, Time},
    state::{self, Hand, Record, Stage},
};

/// A rollout with all that is shown beside it.
#[derive(Debug)]
pub struct Given {
    pub rollout: Rollout,
    pub stage: Stage,
    pub watcher: Watcher,
    pub findings: Vec<Finding>,
    pub environments: Vec<Environment>,
    /// The run that began it.
    pub began: u64,
}

/// Minutes after the rollout began.
pub fn at(minutes: i64) -> Time {
    let start = Time::from_timestamp(1_772_442_000, 0).expect("a time");
    start + TimeDelta::minutes(minutes)
}

pub fn given(deployments: Vec<Deployment>) -> Given {
    let subject = Subject {
        repository: "acme/infra".to_owned(),
        pull_request: 42,
        merge_commit: "2dc52a0f66f2b7d7ae5e0b0ba3fd7cf1c5a1d9ce".to_owned(),
        head_sha: "9a1bb0f2c0ffee00aa11bb22cc33dd44ee55ff66".to_owned(),
        base_ref: "main".to_owned(),
        author: "octocat".to_owned(),
        merged_by: "hubot".to_owned(),
        ..Subject::default()
    };
    let rollout = Rollout { subject, started_at: at(0), deployments };
    let finished = rollout.standings().iter().all(|standing| standing.status.finished());
    Given {
        rollout,
        stage: if finished { Stage::Finished } else { Stage::Live },
        watcher: Watcher::Here,
        findings: Vec::new(),
        environments: Vec::new(),
        began: 7_000_000_001,
    }
}

impl Given {
    fn show<T>(&self, shown: impl FnOnce(&View<'_>) -> T) -> T {
        let variables = [
            ("GITHUB_REPOSITORY", "acme/infra"),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_EVENT_PATH", "/event.json"),
            ("GITHUB_WORKSPACE", "/"),
            ("GITHUB_RUN_ID", "7000000001"),
            ("GITHUB_RUN_ATTEMPT", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let context = Context::read(&variables).expect("a context");
        let view = View::of(&self.rollout, self.stage, self.watcher.clone(), &context, at(300));
        shown(&view.checked(&self.findings, &self.environments).begun_by(self.began))
    }

    /// The comment as it is sent.
    pub fn body(&self) -> String {
        let hand = Hand { run: 7_000_000_001, attempt: 1, nonce: "n".to_owned(), released: false, begun: None };
        let record = Record { stage: self.stage, hand, origin: Origin::default(), rollout: self.rollout.clone() };
        self.body_with(&state::encode(&record))
    }

    /// The comment with a state of any size.
    pub fn body_with(&self, state: &str) -> String {
        self.show(|view| comment::render(view, &self.rollout.subject.comment_key, state))
    }

    /// What people see of the comment.
    pub fn comment(&self) -> String {
        let body = self.body();
        body.lines().filter(|line| !line.starts_with("<!--")).map(|line| format!("{line}\n")).collect()
    }

    pub fn summary(&self) -> String {
        self.show(summary::render)
    }
}

pub fn deployment(component: &str, stack: &str, environment: &str) -> Deployment {
    Deployment::new(Planned {
        component: component.to_owned(),
        stack: Some(stack.to_owned()).filter(|stack| !stack.is_empty()),
        environment: environment.to_owned(),
        workflow: "apply.yml".to_owned(),
        git_ref: "main".to_owned(),
        ..Planned::default()
    })
}

/// What becomes of a deployment, one word after the other.
pub trait Becomes: Sized {
    fn needs(self, needs: &[usize]) -> Self;
    fn runs_as(self, id: u64, phase: Phase) -> Self;
    fn queued(self, id: u64) -> Self;
    fn running(self, id: u64) -> Self;
    fn waiting(self, id: u64, people: &[&str]) -> Self;
    fn timer(self, minutes: u64) -> Self;
    fn reviewed(self, state: &str, user: &str, words: &str) -> Self;
    fn ended(self, id: u64, end: End, reason: &str) -> Self;
    fn succeeded(self, id: u64) -> Self;
}

impl Becomes for Deployment {
    fn needs(mut self, needs: &[usize]) -> Self {
        self.planned.needs = needs.to_vec();
        self
    }

    fn runs_as(mut self, id: u64, phase: Phase) -> Self {
        self.started_at = self.started_at.or(Some(at(1)));
        self.progress = Progress::Followed(Run { id, attempt: 1, phase });
        self
    }

    fn queued(self, id: u64) -> Self {
        self.runs_as(id, Phase::Queued)
    }

    fn running(mut self, id: u64) -> Self {
        self.running_since = Some(at(self.waiting_since.map_or(3, |_| 125)));
        self.runs_as(id, Phase::Running)
    }

    /// People are logins, and teams written `team/slug`.
    fn waiting(mut self, id: u64, people: &[&str]) -> Self {
        self.waiting_since = Some(at(2));
        let reviewers = people.iter().map(|name| match name.strip_prefix("team/") {
            Some(team) => Reviewer::Team(team.to_owned()),
            None => Reviewer::User((*name).to_owned()),
        });
        let environment = self.planned.environment.clone();
        self.gates = vec![Gate { environment, reviewers: reviewers.collect(), ..Gate::default() }];
        self.runs_as(id, Phase::Waiting)
    }

    fn timer(mut self, minutes: u64) -> Self {
        for gate in &mut self.gates {
            gate.wait_minutes = minutes;
            gate.wait_started_at = Some(at(2));
        }
        self
    }

    fn reviewed(mut self, state: &str, user: &str, words: &str) -> Self {
        self.waiting_since = Some(at(2));
        self.reviews.push(Review {
            state: state.to_owned(),
            user: user.to_owned(),
            comment: words.to_owned(),
            environments: vec![self.planned.environment.clone()],
            seen_at: at(125),
        });
        self
    }

    fn ended(mut self, id: u64, end: End, reason: &str) -> Self {
        self.started_at = self.started_at.or(Some(at(1)));
        let job = (end == End::Failed).then_some(id + 5);
        let run = (id > 0).then_some(Run { id, attempt: 1, phase: Phase::Running });
        let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        self.progress = Progress::Ended { end, reason, at: at(130), run, job };
        self
    }

    fn succeeded(self, id: u64) -> Self {
        self.running(id).ended(id, End::Succeeded, "")
    }
}
