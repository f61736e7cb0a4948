//! Servers that answer otherwise than github.com mostly does: fields left out, odd refusals, another version.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulated_github::{ChangedFile, Fault, ReviewState::Approved, Server, When, World};

use crate::stage::{APPLY, Ended, PULL, Stage, component, quick_world, will_say, world};

fn vpc() -> Value {
    json!([component("vpc", "plat-prod", "prod", &[])])
}

/// A world in which the one gate will be passed.
fn willing() -> World {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Approved, "");
    world
}

/// The whole story with this fault, so many times.
fn play(times: u64, when: When, fault: Fault) -> (Stage, Ended) {
    let mut world = willing();
    world.faults.times(times, when, fault);
    let stage = Stage::new(world, &vpc());
    let ended = stage.run();
    (stage, ended)
}

#[test]
fn what_is_not_needed_may_be_missing() {
    const UNNEEDED: &[&str] = &["updated_at", "custom_deployment_protection_rules", "html_url", "user_view_type"];
    play(u64::MAX, When::any(), Fault::Without(UNNEEDED)).1.expect("succeeded", 0);
}

#[test]
fn a_run_that_is_completed_without_a_conclusion_has_not_ended_yet() {
    let run = |info: &simulated_github::RequestInfo| info.request.path.contains("/runs");
    let when = When::any().and(move |info| info.request.method == "GET" && run(info));
    let (stage, ended) = play(30, when, Fault::Without(&["conclusion"]));
    ended.expect("succeeded", 0);
    assert!(!stage.comment().contains("none"), "{}", stage.comment());
}

#[test]
fn graphql_that_fails_without_saying_why_is_asked_again() {
    for body in [
        json!({"data": null, "errors": [{"message": "Timeout on validation of query"}]}),
        json!({"data": null, "errors": [{"message": "A query attribute must be specified"}, {"message": "x"}]}),
        json!({}),
        json!({"data": {"viewer": null}}),
    ] {
        play(2, When::post("/graphql"), Fault::Status(200, body)).1.expect("succeeded", 0);
    }
}

#[test]
fn graphql_that_says_why_is_believed_at_once() {
    let body = json!({"data": null, "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]});
    let (stage, ended) = play(u64::MAX, When::post("/graphql"), Fault::Status(200, body));
    ended.expect("failed", 1);
    let asked = stage.github.world(|world| world.exchanges.iter().filter(|asked| asked.path == "/graphql").count());
    assert!(ended.log.contains("Resource not accessible") && asked <= 2, "{asked}: {}", ended.log);
}

#[test]
fn an_account_number_that_is_a_text_is_left_aside() {
    let body = json!({"data": {"viewer": {"login": "github-actions[bot]", "databaseId": "41898282"}}});
    play(u64::MAX, When::post("/graphql"), Fault::Status(200, body)).1.expect("succeeded", 0);
}

#[test]
fn a_refusal_of_the_field_that_asks_for_the_run_is_seen_wherever_it_is_told() {
    for body in [
        json!({"message": "Validation Failed", "errors": [{"field": "return_run_details", "code": "invalid"}]}),
        json!({"message": "Validation Failed", "errors": ["return_run_details is not permitted"]}),
        json!({"errors": {"return_run_details": ["unknown"]}}),
    ] {
        let (stage, ended) = play(1, When::post("/dispatches"), Fault::Status(422, body));
        ended.expect("succeeded", 0);
        let sent = stage.github.world(|world| {
            let sent = world.exchanges.iter().filter(|asked| asked.path.ends_with("/dispatches"));
            sent.map(|asked| asked.request_body.contains("return_run_details")).collect::<Vec<_>>()
        });
        assert_eq!(sent, [true, false]);
    }
}

#[test]
fn all_that_a_refusal_says_is_shown() {
    let body = json!({"message": "Validation Failed", "errors": [
        {"resource": "Workflow", "field": "sha", "code": "custom", "message": "sha is too short"},
        {"resource": "Workflow", "field": "stack", "code": "invalid"},
    ]});
    let (_, ended) = play(1, When::post("/dispatches"), Fault::Status(422, body));
    ended.expect("failed", 1);
    for part in ["Validation Failed", "sha is too short", "stack: invalid"] {
        assert!(ended.log.contains(part), "`{part}` is not in {}", ended.log);
    }
}

#[test]
fn what_a_server_does_not_implement_is_not_asked_for_until_the_time_is_up() {
    let begin = Instant::now();
    let fault = Fault::Status(501, json!({"message": "Not Implemented"}));
    let (stage, ended) = play(u64::MAX, When::get("/repos/{owner}/{repo}/environments"), fault);
    ended.expect("failed", 1);
    assert!(begin.elapsed() < Duration::from_secs(15) && ended.log.contains("HTTP 501"), "{}", ended.log);
    assert!(stage.dispatched().is_empty());
}

#[test]
fn an_enterprise_server_that_hides_its_version_is_asked_for_it() {
    let mut world = willing();
    (world.enterprise, world.names_version, world.server) = (true, false, Server::Refuses);
    world.workflow("atmos-terraform-apply.yaml", &APPLY.replace("run-name:", "x-run-name:"));
    let stage = Stage::new(world, &vpc());
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("::error title=run-title"), "{}", ended.log);
    let asked = stage.github.world(|world| world.exchanges.iter().filter(|asked| asked.path == "/meta").count());
    assert_eq!(asked, 1);
    // With a title that shows the id it deploys all the same.
    let mut world = willing();
    (world.enterprise, world.names_version, world.server) = (true, false, Server::Refuses);
    Stage::new(world, &vpc()).run().expect("succeeded", 0);
}

#[test]
fn a_commit_whose_pull_requests_cannot_be_told_yet_is_asked_about_again() {
    let mut world = willing();
    let conflict = Fault::Status(409, json!({"message": "Git Repository is empty."}));
    world.faults.times(2, When::get("/commits/{commit_sha}/pulls"), conflict);
    let mut stage = Stage::new(world, &vpc());
    let push = stage.github.world(|world| world.push_of_merge(PULL));
    std::fs::write(stage.folder.path().join("event.json"), push.to_string()).unwrap();
    stage.set("GITHUB_EVENT_NAME", "push");
    stage.run().expect("succeeded", 0);
}

#[test]
fn details_of_an_environment_that_may_not_be_read_are_a_warning_unless_they_must_be_known() {
    for (check, result, code, word) in [("exists", "pending", 0, "warning"), ("protected", "failed", 1, "error")] {
        let mut world = world();
        let fault = Fault::Status(403, json!({"message": "Resource not accessible by integration"}));
        world.faults.always(When::get("/deployment_protection_rules"), fault);
        let list = json!([component("vpc", "plat-dev", "dev", &[])]);
        let stage = Stage::new(world, &list).input("environment-check", check).input("wait", "false");
        let ended = stage.run();
        ended.expect(result, code);
        let told = format!("::{word} title=environment-unreadable");
        assert!(ended.log.contains(&told) && !ended.log.contains("title=permission"), "{}", ended.log);
    }
}

/// Rules by which each folder of `live/dev` is a component.
const CONFIG: &str = "
version: 1
workflow: apply.yml
rules:
  - match: {path: \"live/dev/{component}/**\"}
    environment: dev
";

const ANY: &str = "
name: apply
run-name: apply ${{ inputs.deployment_id }}
on:
  workflow_dispatch:
    inputs: {sha: {type: string}, deployment_id: {type: string}}
jobs:
  apply: {runs-on: ubuntu-latest, environment: dev, steps: [{run: make}]}
";

/// A world whose config file lies in the repository, with these changed files.
fn with_config(config: &str, files: Vec<ChangedFile>) -> Stage {
    let mut world = quick_world();
    world.workflow("apply.yml", ANY);
    world.file(".github/deployments.yml", config);
    world.file("live/dev/vpc/main.tf", "");
    world.open_pull_request(PULL, "Move things", "octocat").files = files;
    world.merge(PULL, "hubot");
    Stage::new(world, &json!([])).input("affected", "")
}

#[test]
fn a_file_too_large_to_come_inside_json_is_read_by_itself() {
    let config = format!("{CONFIG}{}", "# so much to say\n".repeat(70_000));
    let stage = with_config(&config, vec![ChangedFile::modified("live/dev/vpc/main.tf")]);
    // Half of it with a length of its own is not all of it.
    stage.github.world(|world| {
        let raw = |info: &simulated_github::RequestInfo| {
            info.request.path.ends_with("deployments.yml") && info.request.headers["accept"].contains("raw")
        };
        world.faults.once(When::any().and(raw), Fault::Halved);
    });
    stage.run().expect("succeeded", 0);
}

#[test]
fn half_a_config_file_and_a_page_in_its_place_are_not_read_as_the_file() {
    for fault in [Fault::Halved, Fault::Page, Fault::Empty] {
        let config = format!("{CONFIG}  - match: {{path: \"live/prod/{{component}}/**\"}}\n    environment: prod\n");
        let stage = with_config(&config, vec![ChangedFile::modified("live/dev/vpc/main.tf")]);
        stage.github.world(|world| world.faults.times(2, When::get("/contents/{path}"), fault.clone()));
        stage.run().expect("succeeded", 0);
    }
}

#[test]
fn folders_that_are_gone_cost_one_request_for_all_of_a_parent() {
    let removed = (0..20).map(|number| ChangedFile::removed(&format!("live/dev/old{number}/main.tf")));
    let files = removed.chain([ChangedFile::modified("live/dev/vpc/main.tf")]).collect();
    let stage = with_config(CONFIG, files);
    let ended = stage.run();
    ended.expect("succeeded", 0);
    let skipped = ended.statuses().iter().filter(|status| status.ends_with(": skipped")).count();
    assert_eq!(skipped, 20);
    let asked = stage
        .github
        .world(|world| world.exchanges.iter().filter(|asked| asked.path.contains("/contents/live")).count());
    assert_eq!(asked, 1);
}

#[test]
fn a_preview_waits_for_the_test_merge() {
    let mut world = world();
    world.open_pull_request(PULL, "Widen the subnets", "octocat");
    const UNKNOWN: &[&str] = &["mergeable", "merge_commit_sha"];
    world.faults.times(3, When::get("/pulls/{pull_number}"), Fault::Without(UNKNOWN));
    let stage = Stage::new(world, &vpc());
    let event = json!({"action": "synchronize", "number": PULL});
    std::fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert!(!ended.log.contains("title=test-merge"), "{}", ended.log);
}

#[test]
fn a_limit_that_asks_to_wait_for_nothing_is_no_reason_to_ask_without_a_pause() {
    let limit = Fault::SecondaryLimit { retry_after: Some(0), status: 403 };
    let mut world = willing();
    world.faults.always(When::get("/repos/{owner}/{repo}/environments"), limit);
    let stage = Stage::new(world, &vpc()).input("timeout", "2s");
    stage.run();
    let asked = stage
        .github
        .world(|world| world.exchanges.iter().filter(|asked| asked.path.ends_with("/environments")).count());
    assert!((2..30).contains(&asked), "{asked} times in two seconds");
}
