//! The stage of these tests: a small repository, and asking it without a socket.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use serde_json::{Value, json};
use simulated_github::{Answer, ChangedFile, Clock, Environment, Request, Run, World, parse_query};

pub const APPLY: &str = "\
name: Apply
run-name: Apply ${{ inputs.component }} to ${{ inputs.github_environment }}
on:
  workflow_dispatch:
    inputs:
      component: {required: true}
      github_environment: {required: true, type: environment}
      mode: {type: choice, options: [plan, apply], default: apply}
      dry: {type: boolean, default: false}
jobs:
  apply:
    runs-on: ubuntu-latest
    environment: ${{ inputs.github_environment }}
    steps:
      - uses: actions/checkout@v4
      - name: Terraform apply
        run: terraform apply
  report:
    runs-on: ubuntu-latest
    needs: apply
    steps: [{run: echo done}]
";

pub const DISPATCH: &str = "/repos/acme/infra/actions/workflows/apply.yml/dispatches";

/// `acme/infra`: `apply.yml`, an unprotected `staging`, `production` that `octocat` reviews, and merged #7.
pub fn world() -> World {
    let mut world = World::new("acme", "infra");
    world.clock = Clock::starting_at("2026-03-02T09:00:00Z");
    world.pace.minute = Duration::from_secs(1);
    world.workflow("apply.yml", APPLY);
    world.environment(Environment::named("staging"));
    world.environment(Environment::named("production").reviewed_by(&["octocat", "team:platform"]));
    let pull = world.open_pull_request(7, "Grow the network", "mona");
    pull.files = vec![ChangedFile::modified("live/vpc/main.tf"), ChangedFile::renamed("a.tf", "b.tf")];
    pull.labels = vec!["infra".to_owned()];
    world.merge(7, "hubot");
    world
}

pub fn request(method: &str, path: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request =
        Request { method: method.to_owned(), path: path.to_owned(), query: parse_query(query), ..Request::default() };
    request.headers.insert("authorization".to_owned(), "Bearer token".to_owned());
    request
}

pub fn get(world: &mut World, path: &str) -> Answer {
    world.ask(request("GET", path)).expect("an answer")
}

pub fn send(world: &mut World, method: &str, path: &str, body: &Value) -> Answer {
    let request = Request {
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
        ..request(method, path)
    };
    world.ask(request).expect("an answer")
}

/// Dispatches `apply.yml` for a component, successfully; returns the run's id.
pub fn dispatch(world: &mut World, component: &str, environment: &str) -> u64 {
    let inputs = json!({"component": component, "github_environment": environment});
    let body = json!({"ref": "main", "inputs": inputs, "return_run_details": true});
    let answer = send(world, "POST", DISPATCH, &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.value()["workflow_run_id"].as_u64().expect("a run")
}

/// Lets enough time pass for everything that nobody has to decide.
pub fn settle(world: &mut World) {
    world.pass(Duration::from_secs(60));
}

pub fn run(world: &World, id: u64) -> &Run {
    &world.runs[&id]
}

/// `status/conclusion`, such as `completed/success`.
pub fn state(world: &World, id: u64) -> String {
    let run = run(world, id);
    format!("{}/{}", run.status(), run.conclusion().unwrap_or("-"))
}
