//! Servers that answer otherwise than github.com mostly does: fields left out, odd refusals, another version.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulated_github::{Fault, ReviewState::Approved, When, World};

use crate::stage::{Ended, Stage, component, quick_world, will_say};

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
