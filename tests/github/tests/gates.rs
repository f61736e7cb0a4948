//! The life of runs: gates, decisions, failures, attempts, concurrency.

mod stage;

use std::time::Duration;

use serde_json::{Value, json};
use simulated_github::{
    Environment,
    ReviewState::{Approved, Rejected},
    World,
};
use stage::{APPLY, dispatch, get, run, send, settle, state, world};

const SECOND: Duration = Duration::from_secs(1);

fn ask(world: &mut World, id: u64, what: &str) -> Value {
    let answer = get(world, &format!("/repos/acme/infra/actions/runs/{id}{what}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.value()
}

#[test]
fn a_protected_job_waits_until_its_reviewer_approves() {
    let mut world = world();
    let id = dispatch(&mut world, "vpc", "production");
    assert_eq!(state(&world, id), "queued/-");
    settle(&mut world);
    assert_eq!(state(&world, id), "waiting/-");
    let pending = ask(&mut world, id, "/pending_deployments");
    assert_eq!(pending[0]["environment"]["name"], "production");
    assert_eq!(pending[0]["reviewers"][0]["reviewer"]["login"], "octocat");
    assert_eq!(pending[0]["reviewers"][1]["reviewer"]["slug"], "platform");
    assert_eq!(ask(&mut world, id, "/jobs")["jobs"][0]["status"], "waiting");
    world.approve(id, "production", "octocat", "go").unwrap();
    assert_eq!(ask(&mut world, id, "/pending_deployments"), json!([]));
    settle(&mut world);
    assert_eq!(state(&world, id), "completed/success");
    let reviews = ask(&mut world, id, "/approvals");
    assert_eq!((&reviews[0]["state"], &reviews[0]["comment"]), (&json!("approved"), &json!("go")));
}

#[test]
fn a_rejected_job_fails_without_steps_or_runner_and_skips_its_dependents() {
    let mut world = world();
    let id = dispatch(&mut world, "vpc", "production");
    settle(&mut world);
    world.reject(id, "production", "octocat", "not today").unwrap();
    assert_eq!(state(&world, id), "completed/failure");
    assert_eq!(ask(&mut world, id, "/approvals")[0]["state"], "rejected");
    let jobs = ask(&mut world, id, "/jobs");
    let apply = &jobs["jobs"][0];
    assert_eq!(
        (&apply["conclusion"], &apply["steps"], &apply["runner_id"]),
        (&json!("failure"), &json!([]), &json!(0))
    );
    assert_eq!(jobs["jobs"][1]["conclusion"], "skipped");
}

#[test]
fn only_a_reviewer_decides_and_never_about_their_own_run_where_that_is_prevented() {
    let mut world = world();
    world.environment(Environment::named("production").reviewed_by(&["octocat", "hubot"]).preventing_self_review());
    let inputs = [("component", "vpc"), ("github_environment", "production")];
    let id = world.trigger("apply.yml", "workflow_dispatch", "octocat", &inputs);
    settle(&mut world);
    assert!(world.approve(id, "production", "mona", "").is_err());
    assert!(world.approve(id, "production", "octocat", "").is_err());
    assert!(world.approve(id, "production", "hubot", "").is_ok());
}

#[test]
fn a_wait_timer_ends_by_itself() {
    let mut world = world();
    world.environment(Environment::named("canary").waiting(5));
    let id = dispatch(&mut world, "vpc", "canary");
    world.pass(2 * SECOND);
    assert_eq!(state(&world, id), "waiting/-");
    let pending = ask(&mut world, id, "/pending_deployments");
    assert_eq!(
        (&pending[0]["wait_timer"], &pending[0]["wait_timer_started_at"]),
        (&json!(5), &json!("2026-03-02T09:00:00Z"))
    );
    world.pass(10 * SECOND);
    assert_eq!(state(&world, id), "completed/success");
}

#[test]
fn two_gates_in_one_run_are_decided_one_after_the_other() {
    let mut world = world();
    let jobs = "jobs:\n  first: {environment: staging}\n  second: {needs: first, environment: production}\n";
    world.workflow("apply.yml", &format!("{}{jobs}", APPLY.split("jobs:").next().unwrap()));
    world.environment(Environment::named("staging").reviewed_by(&["mona"]));
    world.when(|_| true).reviewed_for("staging", SECOND, Approved, "mona", "ok");
    let id = dispatch(&mut world, "vpc", "x");
    world.pass(SECOND / 2);
    assert_eq!(run(&world, id).waiting_for(), ["staging"]);
    world.pass(5 * SECOND);
    assert_eq!(run(&world, id).waiting_for(), ["production"]);
    world.approve(id, "production", "octocat", "").unwrap();
    settle(&mut world);
    assert_eq!((state(&world, id).as_str(), run(&world, id).reviews.len()), ("completed/success", 2));
}

#[test]
fn what_is_scripted_happens_to_runs_that_match() {
    let mut world = world();
    world.when(|run| &run.inputs["component"] == "vpc").fails("Terraform apply");
    world.when(|run| run.title.contains("dns")).concludes("timed_out");
    world.when(|run| &run.inputs["component"] == "eks").reviewed(SECOND, Rejected, "octocat", "no").on_attempt(1);
    let [vpc, dns, ok] = ["vpc", "dns", "s3"].map(|c| dispatch(&mut world, c, "staging"));
    let eks = dispatch(&mut world, "eks", "production");
    settle(&mut world);
    let ends = [vpc, dns, ok, eks].map(|id| run(&world, id).conclusion().unwrap_or("-").to_owned());
    assert_eq!(ends, ["failure", "timed_out", "success", "failure"]);
    let steps = ask(&mut world, vpc, "/jobs")["jobs"][0]["steps"].clone();
    assert_eq!((&steps[2]["name"], &steps[2]["conclusion"]), (&json!("Terraform apply"), &json!("failure")));
}

#[test]
fn a_rerun_is_a_new_attempt_that_keeps_the_old_reviews() {
    let mut world = world();
    let id = dispatch(&mut world, "vpc", "production");
    settle(&mut world);
    world.reject(id, "production", "octocat", "no").unwrap();
    world.rerun(id, "mona");
    assert_eq!(state(&world, id), "queued/-");
    settle(&mut world);
    let now = ask(&mut world, id, "");
    assert_eq!((&now["run_attempt"], &now["status"]), (&json!(2), &json!("waiting")));
    assert_eq!(now["triggering_actor"]["login"], "mona");
    assert_eq!(ask(&mut world, id, "/attempts/1")["conclusion"], "failure");
    world.approve(id, "production", "octocat", "now").unwrap();
    settle(&mut world);
    assert_eq!(state(&world, id), "completed/success");
    assert_eq!(ask(&mut world, id, "/approvals").as_array().map(Vec::len), Some(2));
    assert_eq!(ask(&mut world, id, "/jobs?filter=all")["total_count"], 4);
    assert_eq!(ask(&mut world, id, "/attempts/1/jobs")["jobs"][1]["conclusion"], "skipped");
}

#[test]
fn only_what_failed_is_run_again_if_so_asked() {
    let mut world = world();
    world.when(|_| true).fails("Run echo done").on_attempt(1);
    let id = dispatch(&mut world, "vpc", "staging");
    settle(&mut world);
    assert_eq!(state(&world, id), "completed/failure");
    world.rerun_failed(id, "mona");
    assert_eq!(state(&world, id), "queued/-");
    world.pass(Duration::from_millis(30));
    assert_eq!(run(&world, id).job("apply").and_then(|j| j.conclusion.as_deref()), Some("success"));
    settle(&mut world);
    assert_eq!(state(&world, id), "completed/success");
}

#[test]
fn a_gate_nobody_answers_fails_after_thirty_days() {
    let mut world = world();
    let id = dispatch(&mut world, "vpc", "production");
    let forced = dispatch(&mut world, "dns", "production");
    settle(&mut world);
    world.expire_gate(forced);
    assert_eq!(state(&world, forced), "completed/failure");
    assert_eq!(state(&world, id), "waiting/-");
    world.pass(Duration::from_secs(31 * 24 * 3600));
    assert_eq!((state(&world, id).as_str(), run(&world, id).reviews.len()), ("completed/failure", 0));
}

#[test]
fn a_branch_that_an_environment_does_not_admit_fails_its_job() {
    let mut world = world();
    world.environment(Environment::named("production").reviewed_by(&["octocat"]).only_from(&["release/*"]));
    let id = dispatch(&mut world, "vpc", "production");
    settle(&mut world);
    assert_eq!((state(&world, id).as_str(), run(&world, id).reviews.len()), ("completed/failure", 0));
}

#[test]
fn a_cancelled_run_ends_a_moment_later_and_then_cannot_be_cancelled() {
    let mut world = world();
    let id = dispatch(&mut world, "vpc", "production");
    settle(&mut world);
    let path = format!("/repos/acme/infra/actions/runs/{id}/cancel");
    assert_eq!(send(&mut world, "POST", &path, &Value::Null).status, 202);
    settle(&mut world);
    assert_eq!(state(&world, id), "completed/cancelled");
    assert_eq!(send(&mut world, "POST", &path, &Value::Null).status, 409);
}

#[test]
fn a_waiting_run_holds_its_group_and_a_later_one_takes_the_place_behind_it() {
    let mut world = world();
    world.workflow("apply.yml", &APPLY.replace("jobs:", "concurrency: apply\njobs:"));
    let ids = ["a", "b", "c"].map(|c| dispatch(&mut world, c, "production"));
    settle(&mut world);
    assert_eq!(ids.map(|id| state(&world, id)), ["waiting/-", "completed/cancelled", "pending/-"]);
    assert_eq!(ask(&mut world, ids[2], "/jobs")["total_count"], 0);
    world.reject(ids[0], "production", "octocat", "").unwrap();
    settle(&mut world);
    assert_eq!(state(&world, ids[2]), "waiting/-");
}

#[test]
fn a_group_that_queues_keeps_everybody() {
    let mut world = world();
    world.workflow("apply.yml", &APPLY.replace("jobs:", "concurrency: {group: apply, queue: max}\njobs:"));
    let ids = ["a", "b", "c"].map(|c| dispatch(&mut world, c, "staging"));
    settle(&mut world);
    assert_eq!(ids.map(|id| state(&world, id)), ["completed/success"; 3]);
}

#[test]
fn whatever_else_can_happen_to_a_run_does() {
    let mut world = world();
    world.when(|run| run.title.contains("broken")).concludes("startup_failure");
    let broken = dispatch(&mut world, "broken", "staging");
    let slow = dispatch(&mut world, "slow", "production");
    settle(&mut world);
    assert_eq!(state(&world, broken), "completed/startup_failure");
    assert_eq!(ask(&mut world, broken, "/jobs")["total_count"], 0);
    world.approve(slow, "production", "octocat", "").unwrap();
    world.fail_job(slow, "apply", "Terraform apply");
    assert_eq!(state(&world, slow), "completed/failure");
    world.delete_run(slow);
    assert_eq!(get(&mut world, &format!("/repos/acme/infra/actions/runs/{slow}")).status, 404);
}

#[test]
fn what_is_at_work_can_end_well_before_its_time() {
    let mut world = world();
    world.pace.takes = Duration::from_secs(3600);
    let run = dispatch(&mut world, "slow", "staging");
    assert!(!world.succeed(run), "it has not begun");
    world.pass(Duration::from_secs(1));
    assert!(world.succeed(run));
    world.pass(Duration::from_secs(1));
    assert_eq!(state(&world, run), "in_progress/-", "its second job");
    assert!(world.succeed(run));
    assert_eq!(state(&world, run), "completed/success");
    assert!(!world.succeed(run));
}
