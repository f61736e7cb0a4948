//! A GitHub which remembers: one repository with its pull requests, workflows, environments, runs and comments,
//! behind GitHub's REST API (as its OpenAPI description has it) on a port of this machine.

#![forbid(unsafe_code)]

mod api;
pub mod clock;
mod comments;
mod concurrency;
mod deeds;
mod dispatch;
mod door;
mod environment;
mod expression;
mod faults;
mod life;
mod limits;
mod people;
mod pulls;
mod record;
mod routes;
mod run;
mod script;
mod server;
mod wire;
mod workflow;
mod world;

pub use clock::{Clock, Millis};
pub use comments::{Comment, CommentChange, Done, LONGEST_BODY};
pub use dispatch::{Dispatch, Trigger};
pub use door::Arrival;
pub use environment::{BranchPolicy, Environment};
pub use faults::{Fault, Faults, RequestInfo, When};
pub use limits::{Count, Limits};
pub use people::{Reviewer, User};
pub use pulls::{ChangedFile, Merge, PullRequest};
pub use record::{Exchange, RECORD_EXCHANGES};
pub use run::{Gate, Inputs, Job, Phase, Review, ReviewState, Run};
pub use script::Behaviour;
pub use server::Github;
pub use wire::{Answer, Request};
pub use workflow::{Concurrency, Input, JobSpec, Spec};
pub use world::{Branch, Files, Pace, Repository, Server, Workflow, World};
