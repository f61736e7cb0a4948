//! A rollout and its deployments: what is known of each, and the one function that makes a status of it.
//!
//! Facts are stored, statuses are derived. Whether a deployment is blocked or skipped follows from what it
//! needs, so it is never written down and cannot contradict it.

use crate::{
    plan::{Planned, Subject},
    run::{Gate, Review, Time},
};

/// All deployments of one merged pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// The pull request.
    pub subject: Subject,
    /// When the first process began.
    pub started_at: Time,
    /// In an order in which each comes after all it needs.
    pub deployments: Vec<Deployment>,
}

/// One component going to one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// What was planned.
    pub planned: Planned,
    /// Which try this is, from 1.
    pub tries: u32,
    /// How far it is.
    pub progress: Progress,
    /// When the dispatch was accepted, or the run created.
    pub started_at: Option<Time>,
    /// Since when protection rules hold it back.
    pub waiting_since: Option<Time>,
    /// Since when it is at work, or was until it ended; not known if that fell between two looks.
    pub running_since: Option<Time>,
    /// What holds it back now.
    pub gates: Vec<Gate>,
    /// Who decided what.
    pub reviews: Vec<Review>,
    /// How sure it is, where it has succeeded. Never written down: each process looks itself.
    pub proof: Proof,
}

/// How sure a success is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// GitHub told this process.
    #[default]
    Seen,
    /// Only the state says so, which anybody may have edited: what needs it waits.
    Claimed,
}

/// How far a deployment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was sent.
    Planned,
    /// The dispatch may have been sent, and no run is known.
    Intended {
        /// When that was written down.
        at: Time,
        /// What is known of the answer.
        note: Option<String>,
    },
    /// Its run is followed.
    Followed(Run),
    /// It is over.
    Ended {
        /// How.
        end: End,
        /// Why, where there is more to say.
        reason: Option<String>,
        /// When.
        at: Time,
        /// The run, where there was one; of a lost one, the run that GitHub no longer has.
        run: Option<Run>,
        /// The job that made it fail, for a link.
        job: Option<u64>,
    },
}

/// The run a deployment became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The run's id.
    pub id: u64,
    /// Its attempt, from 1.
    pub attempt: u64,
    /// What it does.
    pub phase: Phase,
}

/// What an unfinished run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for a runner or a concurrency group.
    Queued,
    /// Protection rules hold it back.
    Waiting,
    /// It runs, or it has ended.
    Running,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The run's conclusion is `success`.
    Succeeded,
    /// The run failed, or the dispatch was refused.
    Failed,
    /// A reviewer said no.
    Rejected,
    /// Somebody or something cancelled the run.
    Cancelled,
    /// The run took longer than it may.
    TimedOut,
    /// Nobody decided within 30 days.
    Expired,
    /// The run was deleted, or never found.
    Lost,
}

/// A deployment's status, as the output `deployments` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// A need has not finished, or there is no free place under `max-parallel`.
    Blocked,
    /// The dispatch was sent, and its run is not known yet.
    Dispatching,
    /// The run waits for a runner.
    Queued,
    /// Protection rules hold the run back.
    Waiting,
    /// The run is at work.
    Running,
    /// Done.
    Succeeded,
    /// The run failed, or the dispatch was refused.
    Failed,
    /// A reviewer said no.
    Rejected,
    /// The run was cancelled.
    Cancelled,
    /// The run took longer than it may.
    TimedOut,
    /// Not deployed: a need did not succeed, or on purpose.
    Skipped,
    /// Nobody decided within 30 days.
    Expired,
    /// The run was deleted, or never found.
    Lost,
}

impl Status {
    /// The public name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Dispatching => "dispatching",
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed-out",
            Self::Skipped => "skipped",
            Self::Expired => "expired",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing more is expected.
    pub fn finished(self) -> bool {
        self >= Self::Succeeded
    }
}

/// A status with what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The status.
    pub status: Status,
    /// Why, for people; empty where the status says all.
    pub reason: String,
    /// Nothing that it needs holds it back: it may be dispatched.
    pub ready: bool,
}

impl Deployment {
    /// A deployment that nothing was done for yet.
    pub fn new(planned: Planned) -> Self {
        Self {
            planned,
            tries: 1,
            progress: Progress::Planned,
            started_at: None,
            waiting_since: None,
            running_since: None,
            gates: Vec::new(),
            reviews: Vec::new(),
            proof: Proof::Seen,
        }
    }

    /// The run, where one is known.
    pub fn run(&self) -> Option<&Run> {
        match &self.progress {
            Progress::Followed(run) => Some(run),
            Progress::Ended { run, .. } => run.as_ref(),
            Progress::Planned | Progress::Intended { .. } => None,
        }
    }

    /// Whether it was dispatched, or may have been, and has not ended.
    pub fn active(&self) -> bool {
        matches!(self.progress, Progress::Intended { .. } | Progress::Followed(_))
    }
}

impl Rollout {
    /// Without deployments.
    pub fn empty(subject: &Subject, started_at: Time) -> Self {
        Self { subject: subject.clone(), started_at, deployments: Vec::new() }
    }

    /// The id of a deployment's current try.
    pub fn id(&self, deployment: &Deployment) -> String {
        deployment.planned.id(&self.subject, deployment.tries)
    }

    /// Derives every status. One pass is enough, since each deployment comes after all it needs.
    pub fn standings(&self) -> Vec<Standing> {
        let mut standings: Vec<Standing> = Vec::with_capacity(self.deployments.len());
        for deployment in &self.deployments {
            let standing = match &deployment.progress {
                Progress::Planned => self.unsent(&deployment.planned, &standings),
                Progress::Intended { note, .. } => plain(Status::Dispatching, note.clone()),
                Progress::Followed(run) => plain(
                    match run.phase {
                        Phase::Queued => Status::Queued,
                        Phase::Waiting => Status::Waiting,
                        Phase::Running => Status::Running,
                    },
                    None,
                ),
                Progress::Ended { end, reason, .. } => plain(
                    match end {
                        End::Succeeded => Status::Succeeded,
                        End::Failed => Status::Failed,
                        End::Rejected => Status::Rejected,
                        End::Cancelled => Status::Cancelled,
                        End::TimedOut => Status::TimedOut,
                        End::Expired => Status::Expired,
                        End::Lost => Status::Lost,
                    },
                    reason.clone(),
                ),
            };
            standings.push(standing);
        }
        standings
    }

    fn unsent(&self, planned: &Planned, before: &[Standing]) -> Standing {
        if let Some(reason) = &planned.skip {
            return plain(Status::Skipped, Some(reason.clone()));
        }
        let mut open = Vec::new();
        for index in &planned.needs {
            let (Some(need), Some(standing)) = (self.deployments.get(*index), before.get(*index)) else {
                continue;
            };
            let name = need_name(planned, &need.planned);
            match standing.status {
                Status::Succeeded if need.proof == Proof::Claimed => open.push(name),
                Status::Succeeded if standing.reason.is_empty() => {}
                // What is said of a success is why it cannot be relied on. Nothing else went wrong that would tell
                // people of it.
                Status::Succeeded => {
                    return plain(
                        Status::Failed,
                        Some(format!("not dispatched, since it needs {name}: {}", standing.reason)),
                    );
                }
                // Deliberately not deployed: there is nothing to wait for.
                Status::Skipped if need.planned.skip.is_some() => {}
                status if status.finished() => {
                    return plain(Status::Skipped, Some(format!("needs {name}: {}", status.word())));
                }
                _ => open.push(name),
            }
        }
        Standing {
            status: Status::Blocked,
            ready: open.is_empty(),
            reason: if open.is_empty() { String::new() } else { format!("needs {}", open.join(", ")) },
        }
    }
}

fn plain(status: Status, reason: Option<String>) -> Standing {
    Standing { status, reason: reason.unwrap_or_default(), ready: false }
}

/// A need's name beside the deployment that needs it: only what differs is said.
fn need_name(planned: &Planned, need: &Planned) -> String {
    let mut name = need.component.clone();
    if let Some(stack) = need.stack.as_ref().filter(|_| need.stack != planned.stack) {
        name = format!("{name} in {stack}");
    }
    if need.environment != planned.environment {
        name = format!("{name} ({})", need.environment);
    }
    name
}
