//! What goes wrong, as an answer shows it. What only a connection shows is in `sockets`.

mod stage;

use std::time::Duration;

use serde_json::json;
use simulated_github::{Fault, Request, When, World};
use stage::{DISPATCH, dispatch, get, request, send, settle, world};

const RUNS: &str = "/repos/acme/infra/actions/runs";
const COMMENTS: &str = "/repos/acme/infra/issues/7/comments";

#[test]
fn a_lost_dispatch_makes_no_run_and_an_unanswered_one_does() {
    let mut world = world();
    let body = json!({"ref": "main", "inputs": {"component": "vpc", "github_environment": "staging"}});
    world.faults.once(When::post("/dispatches"), Fault::Html502);
    world.faults.once(When::post("/dispatches").nth(2), Fault::EffectThen502);
    let lost = send(&mut world, "POST", DISPATCH, &body);
    assert_eq!((lost.status, world.dispatches().len()), (502, 0));
    assert!(lost.headers["content-type"].starts_with("text/html"));
    assert_eq!((send(&mut world, "POST", DISPATCH, &body).status, world.dispatches().len()), (502, 1));
    assert_eq!((send(&mut world, "POST", DISPATCH, &body).status, world.dispatches().len()), (204, 2));
    world.faults.once(world.request_count() + 1, Fault::ResetAfter);
    let post = Request { body: body.to_string().into_bytes(), ..request("POST", DISPATCH) };
    assert!(world.ask(post).is_none());
    assert_eq!(world.dispatches().len(), 3);
}

#[test]
fn lists_can_be_stale_repeated_reversed_or_blind_for_a_while() {
    let mut world = world();
    get(&mut world, RUNS);
    world.clock.jump(Duration::from_secs(10));
    world.hide_new_runs_for(Duration::from_secs(30));
    let id = dispatch(&mut world, "vpc", "staging");
    let total = |world: &mut World| get(world, RUNS).value()["total_count"].clone();
    assert_eq!(total(&mut world), 0);
    assert_eq!(get(&mut world, &format!("{RUNS}/{id}")).status, 404);
    settle(&mut world);
    assert_eq!(total(&mut world), 1);
    world.faults.once(When::get("/actions/runs"), Fault::Stale(Duration::from_secs(60)));
    assert_eq!(total(&mut world), 0);
    world.comment(7, "mona", "a");
    world.comment(7, "mona", "b");
    world.faults.once(When::any(), Fault::RepeatedPage);
    let page = format!("{COMMENTS}?per_page=1&page=2");
    assert_eq!(get(&mut world, &page).value()[0]["body"], "a");
    world.faults.once(When::any(), Fault::Reordered);
    assert_eq!(get(&mut world, COMMENTS).value()[0]["body"], "b");
}

#[test]
fn a_secondary_limit_says_when_to_come_back_if_it_says_anything() {
    let mut world = world();
    world.faults.once(When::any(), Fault::SecondaryLimit { retry_after: Some(60), status: 403 });
    world.faults.once(When::any(), Fault::SecondaryLimit { retry_after: None, status: 429 });
    let first = get(&mut world, RUNS);
    assert_eq!((first.status, first.headers["retry-after"].as_str()), (403, "60"));
    let second = get(&mut world, RUNS);
    assert_eq!((second.status, second.headers.contains_key("retry-after")), (429, false));
    assert_eq!(get(&mut world, RUNS).status, 200);
}
