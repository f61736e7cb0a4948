//! A GitHub which remembers: one repository with its pull requests, workflows, environments, runs and comments,
//! behind GitHub's REST API (as its OpenAPI description has it) on a port of this machine.
//!
//! ```
//! use simulated_github::{Environment, Fault, Github, ReviewState::Approved, When, World};
//! use std::time::Duration;
//!
//! let mut world = World::new("acme", "infra"); // the token is `token`
//! world.workflow("apply.yml", "on: workflow_dispatch\njobs: {apply: {environment: production}}");
//! world.environment(Environment::named("production").reviewed_by(&["octocat"]));
//! world.open_pull_request(7, "Grow the network", "mona").labels.push("infra".to_owned());
//! let merge_commit = world.merge(7, "hubot");
//!
//! // What will happen to runs that the program under test is going to make:
//! let soon = Duration::from_millis(50);
//! world.when(|run| run.title.contains("Apply")).reviewed(soon, Approved, "octocat", "go");
//! world.when(|run| &run.inputs["component"] == "vpc").fails("Terraform apply").on_attempt(1);
//! world.faults.once(When::post("/dispatches").nth(2), Fault::ResetAfter);
//!
//! let github = Github::start(world);
//! let event = github.world(|world| world.pull_request_closed(7)); // for GITHUB_EVENT_PATH
//! github.after_effect(5, || println!("kill the program here"));
//! // … run the program with GITHUB_API_URL=github.api_url() …
//!
//! github.world(|world| {
//!     assert!(world.dispatches().is_empty() && world.sticky(7).is_none());
//!     assert_eq!(world.violations, Vec::<String>::new());
//! });
//! # let _ = (merge_commit, event);
//! ```
//!
//! The house, from the street to the cellar:
//!
//! | | |
//! |---|---|
//! | [`Github`] (`server`) | sockets; hooks that run right after the n-th request's effect or answer |
//! | `door` | one request: token, limit, permission, endpoint, ETag, [`Fault`], [`Exchange`] |
//! | `routes`, `api` | the endpoints, and what they say |
//! | [`World`] (`world`) | all that is known; public fields |
//! | `stage`, `deeds` | what people do: [`World::merge`], [`World::approve`], [`World::reject`], [`World::rerun`]… |
//! | `script` | what will happen to runs to come: [`World::when`] |
//! | `dispatch`, `workflow`, `expression` | a workflow's YAML, and the run it makes |
//! | `life`, `jobs`, `gates`, `run`, `concurrency` | runs moving on the world's [`Clock`], at the [`Pace`] set |
//! | `limits`, `faults`, `record` | the budget; what goes wrong; exchanges written where [`RECORD_EXCHANGES`] says |
//!
//! Time passes by itself, and whatever is due happens, in order, at the next request or look
//! ([`Github::world`]). [`World::ask`] needs no socket at all.

#![forbid(unsafe_code)]

mod api;
mod clock;
mod comments;
mod concurrency;
mod deeds;
mod dispatch;
mod door;
mod environment;
mod expression;
mod faults;
mod gates;
mod jobs;
mod life;
mod limits;
mod people;
mod pulls;
mod record;
mod routes;
mod run;
mod script;
#[cfg(feature = "server")]
mod server;
mod stage;
mod wire;
mod workflow;
mod world;

pub use clock::{Clock, Millis, stamp};
pub use comments::{Comment, CommentChange, Done, LONGEST_BODY};
pub use dispatch::{Dispatch, LONGEST_INPUTS, MOST_INPUTS, Trigger};
pub use door::Arrival;
pub use environment::{BranchPolicy, Environment};
pub use faults::{Fault, Faults, RequestInfo, When};
pub use limits::{Count, Limits};
pub use people::{Reviewer, User};
pub use pulls::{ChangedFile, Merge, PullRequest};
pub use record::{Exchange, RECORD_EXCHANGES};
pub use run::{Gate, Inputs, Job, Phase, Review, ReviewState, Run};
pub use script::Behaviour;
#[cfg(feature = "server")]
pub use server::Github;
pub use wire::{Answer, Request, parse_query};
pub use workflow::{Concurrency, Input, JobSpec, Spec};
pub use world::{Branch, Files, Pace, Repository, Server, Workflow, World};
