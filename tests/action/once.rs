//! Exactly once: takers at one moment, states that are older than the truth, limits in the middle, denials that
//! are GitHub's own mistake.

use std::{
    thread,
    time::{Duration, Instant},
};

use deployment_approvals::{report::comment::state_in, state};
use serde_json::{Value, json};
use simulated_github::{
    Fault,
    ReviewState::{Approved, Rejected},
    When, World,
};

use crate::{
    memory::record_in,
    stage::{APPLY, PULL, Stage, component, quick_world, will_say},
};

fn first_then_second() -> Value {
    json!([component("first", "plat-prod", "prod", &[component("second", "plat-dev", "dev", &[])])])
}

fn approve_first(stage: &Stage) {
    stage.until("first waits", |world| world.dispatched(0).is_some_and(|run| run.status() == "waiting"));
    stage.github.world(|world| {
        let run = world.dispatched(0).unwrap().id;
        world.approve(run, "prod", "mona", "").unwrap();
    });
    stage.until("first is done", |world| world.dispatched(0).unwrap().conclusion() == Some("success"));
}

#[test]
fn a_taker_that_a_limit_held_up_looks_again_before_it_writes() {
    let mut stage = Stage::new(quick_world(), &first_then_second()).input("wait", "false");
    stage.run().expect("pending", 0);
    approve_first(&stage);
    stage.github.world(|world| {
        let limit = Fault::SecondaryLimit { retry_after: Some(150), status: 403 };
        world.faults.once(When::patch("/comments/{comment_id}"), limit);
    });
    stage.set("GITHUB_RUN_ID", "7000000002");
    let held_up = stage.spawn();
    stage.until("one is held up", |world| {
        world.exchanges.iter().any(|exchange| exchange.method == "PATCH" && exchange.status == 403)
    });
    stage.set("GITHUB_RUN_ID", "7000000003");
    stage.set_input("wait", "true");
    stage.run().expect("succeeded", 0);
    stage.wait(held_up);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 2, "{}", stage.log());
    assert!(stage.comment().contains("All 2 deployments succeeded"), "{}", stage.comment());
}

#[test]
fn an_earlier_text_of_the_comment_that_somebody_restored_sends_nothing_again() {
    let mut stage = Stage::new(quick_world(), &first_then_second()).input("wait", "false");
    stage.run().expect("pending", 0);
    let earlier = stage.github.world(|world| world.sticky(PULL).unwrap().body.clone());
    approve_first(&stage);
    stage.next_attempt();
    stage.run();
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 2);
    stage.github.world(|world| {
        let id = world.sticky(PULL).unwrap().id;
        assert!(world.edit_comment(id, "mallory", &earlier));
    });
    stage.next_attempt();
    stage.set_input("wait", "true");
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert!(ended.log.contains("is there already, and is adopted"), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 2, "{}", ended.log);
}

#[test]
fn the_hour_s_writes_are_used_up_and_the_rollout_is_still_followed() {
    let list: Vec<Value> = (0..440).map(|index| component(&format!("c{index}"), "plat-prod", "prod", &[])).collect();
    let mut world = quick_world();
    world.limits.limit = 15_000;
    world.pace.queued = Duration::from_secs(3600);
    world.when(|run| run.inputs["component"] == *"c0").queued_for(Duration::from_millis(5));
    let mut stage = Stage::new(world, &json!(list))
        .input("max-deployments", "0")
        .input("timeout", "120s")
        .input("poll-interval", "2s");
    // An hour of two minutes: a slow machine must get through 420 dispatches in it.
    stage.set("DEPLOYMENT_APPROVALS_HURRY", "30");
    let mut child = stage.spawn();
    let begin = Instant::now();
    while !stage.log().contains("500 writes in an hour") {
        assert!(begin.elapsed() < Duration::from_secs(110), "{}", stage.log());
        thread::sleep(Duration::from_millis(50));
    }
    stage.github.world(|world| {
        assert!((300..440).contains(&world.dispatches().len()), "some have to wait");
        let run = world.dispatched(0).unwrap().id;
        world.reject(run, "prod", "mona", "not this one").unwrap();
    });
    stage.until("it is told", |world| world.sticky(PULL).is_some_and(|comment| comment.body.contains("not this one")));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn one_mistaken_denial_changes_no_verdict() {
    for route in [
        "/approvals",
        "/jobs",
        "/pending_deployments",
        "/dispatches",
        "/runs",
        "/comments",
        "/comments/{comment_id}",
        "/pulls/{pull_number}",
        "/workflows/{workflow_id}",
        "/environments",
        "/contents/{path}",
        "/graphql",
    ] {
        let mut world = quick_world();
        will_say(&mut world, "vpc", "prod", Rejected, "not today");
        world
            .faults
            .once(When::any().and(move |info| info.route.is_some_and(|own| own.ends_with(route))), Fault::NotFound);
        let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
        let ended = stage.run();
        ended.expect("rejected", 1);
        assert!(stage.comment().contains("by `mona`: not today"), "{route}: {}", stage.comment());
        assert_eq!(stage.github.world(|world| (world.dispatches().len(), world.comments.len())), (1, 1), "{route}");
    }
}

#[test]
fn a_lost_deployment_is_not_tried_again_where_nobody_can_tell_whether_it_ran() {
    let mut world = quick_world();
    let blind = APPLY.replace(" | ${{ inputs.atmos_pro_run_id }}", "");
    world.workflow("atmos-terraform-apply.yaml", &blind);
    // It takes effect, and nobody learns of it.
    world.faults.once(When::post("/dispatches"), Fault::ResetAfter);
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])]));
    stage.run().expect("failed", 1);
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("failed", 1);
    assert_eq!(ended.statuses(), ["vpc plat-dev: lost"]);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1, "{}", ended.log);
    assert!(stage.comment().contains("not tried again"), "{}", stage.comment());
}

#[test]
fn a_limit_that_graphql_tells_of_in_its_own_way_is_waited_for() {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Approved, "");
    let limited = json!({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded for installation"}]});
    let broken = json!({"data": null, "errors": [{"message": "Something went wrong while executing your query."}]});
    world.faults.once(When::post("/graphql"), Fault::Status(200, limited));
    world.faults.once(When::post("/graphql").nth(2), Fault::Status(200, broken));
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
    let ended = stage.run();
    ended.expect("succeeded", 0);
    assert!(ended.log.contains("rate limit (GraphQL)"), "{}", ended.log);
}

/// Requests so far that were paid for, and that were not.
fn paid_and_free(stage: &Stage) -> (u64, u64) {
    stage.github.world(|world| {
        let counts = world.limits.request_counts().values();
        counts.fold((0, 0), |(paid, free), count| (paid + count.counted, free + count.free))
    })
}

/// Waits until the action has seen all there is to see, and then for fifty looks that must cost nothing.
fn expect_fifty_free_looks(stage: &Stage) {
    let mut settled = (paid_and_free(stage).0, Instant::now());
    while settled.1.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(10));
        let paid = paid_and_free(stage).0;
        if paid != settled.0 {
            settled = (paid, Instant::now());
        }
    }
    let (paid, free) = paid_and_free(stage);
    let begin = Instant::now();
    while paid_and_free(stage).1 < free + 50 {
        assert!(begin.elapsed() < Duration::from_secs(60), "it looks no more");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(paid_and_free(stage).0, paid, "nothing changes, so nothing is paid");
}

#[test]
fn a_hundred_deployments_that_wait_cost_nothing_to_look_at() {
    let list: Vec<Value> = (0..100).map(|index| component(&format!("c{index}"), "plat-prod", "prod", &[])).collect();
    let mut world = quick_world();
    world.limits.limit = 15_000;
    let stage = Stage::new(world, &json!(list))
        .input("max-deployments", "0")
        .input("poll-interval", "10ms")
        .input("timeout", "120s");
    let mut child = stage.spawn();
    let all_wait = |world: &mut World| {
        (world.dispatches().len() == 100 && world.runs.values().all(|run| run.status() == "waiting")).then_some(())
    };
    assert!(stage.github.wait_until(Duration::from_secs(60), all_wait).is_some(), "{}", stage.log());
    expect_fifty_free_looks(&stage);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn requests_are_left_to_others_though_there_is_more_to_dispatch() {
    let mut world = crate::stage::world();
    world.limits.limit = 90;
    let list: Vec<_> = (0..45).map(|index| component(&format!("c{index}"), "plat-dev", "dev", &[])).collect();
    let ended = Stage::new(world, &json!(list)).input("wait", "false").run();
    ended.expect("pending", 0);
    assert!(ended.log.contains("no more than 50 requests are left in this hour"), "{}", ended.log);
    let dispatched = ended.statuses().iter().filter(|status| !status.ends_with("blocked")).count();
    assert!((5..40).contains(&dispatched), "{dispatched}: {}", ended.log);
}

#[test]
fn an_old_run_below_a_busy_list_is_followed_for_nothing() {
    let mut world = quick_world();
    world.limits.limit = 15_000;
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]))
        .input("poll-interval", "10ms")
        .input("timeout", "120s");
    let child = stage.spawn();
    stage.until("it waits", |world| {
        world.sticky(PULL).is_some_and(|comment| comment.body.contains("waits for approval"))
    });
    stage.github.world(|world| {
        world.pass(Duration::from_secs(3600));
        for _ in 0..350 {
            let inputs = [("component", "x"), ("stack", "y"), ("github_environment", "prod")];
            world.trigger("atmos-terraform-apply.yaml", "workflow_dispatch", "hubot", &inputs);
        }
    });
    stage.until("others wait too", |world| world.runs.values().all(|run| run.status() == "waiting"));
    expect_fifty_free_looks(&stage);
    stage.github.world(|world| {
        let deep = |exchange: &&simulated_github::Exchange| exchange.query.get("page").is_some_and(|page| page == "3");
        assert_eq!(world.exchanges.iter().filter(deep).count(), 0, "one run is cheaper asked for by itself");
        let run = world.dispatched(0).unwrap().id;
        world.reject(run, "prod", "mona", "no").unwrap();
    });
    stage.wait(child).expect("rejected", 1);
}

/// Two rollouts: one live, one whose state is what the test says.
fn two_rollouts(spoil: impl FnOnce(&str) -> String) -> Stage {
    let mut world = quick_world();
    world.open_pull_request(43, "Another", "octocat");
    world.merge(43, "hubot");
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])])).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.set("GITHUB_EVENT_NAME", "workflow_dispatch");
    stage.set_input("pull-request", "43");
    stage.set("GITHUB_RUN_ID", "7000000002");
    stage.run().expect("pending", 0);
    stage.environment.remove("INPUT_PULL-REQUEST");
    stage.environment.remove("INPUT_AFFECTED");
    stage.set("GITHUB_EVENT_NAME", "schedule");
    stage.set("GITHUB_RUN_ID", "7000000003");
    stage.github.world(|world| {
        let comment = world.sticky(43).unwrap().clone();
        assert!(world.edit_comment(comment.id, "github-actions[bot]", &spoil(&comment.body)));
    });
    stage
}

/// A state as a later version of this program may write it.
const NEWER: &str = "eJyrVipTsrK01FHKSy1XsiopKk2tBQA3CgYT";

#[test]
fn a_sweep_fails_on_a_newer_state_and_warns_of_a_damaged_one() {
    assert_eq!(state::decode(NEWER), Err(state::Unreadable::Newer(99)));
    let stage = two_rollouts(|body| body.replace(state_in(body).unwrap(), NEWER));
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("pull request #43: a newer version"), "{}", ended.log);
    assert_eq!(ended.statuses(), ["vpc plat-prod: waiting"], "the other one is still looked after");

    let stage = two_rollouts(|body| body.replace(state_in(body).unwrap(), "rubbish"));
    let ended = stage.run();
    ended.expect("pending", 0);
    assert!(ended.log.contains("pull request #43: the state is damaged"), "{}", ended.log);
}

#[test]
fn a_sweep_that_is_stopped_tells_of_every_rollout_it_found() {
    let mut stage = two_rollouts(str::to_owned);
    stage.github.world(|world| {
        let other = When::get("/pulls/{pull_number}").and(|info| info.request.path.ends_with("/43"));
        world.faults.always(other, Fault::HangBefore(Duration::from_secs(30)));
    });
    let child = stage.spawn();
    stage.until("the first was passed over", |world| {
        world.exchanges.iter().any(|exchange| exchange.path.ends_with("/pulls/42"))
            && world.sticky(PULL).is_some_and(|comment| {
                let record = record_in(&comment.body);
                record.hand.run == 7_000_000_003 && record.hand.released
            })
    });
    thread::sleep(Duration::from_millis(300));
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let ended = stage.wait(child);
    ended.expect("pending", 1);
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    let pulls: Vec<u64> = rows.as_array().unwrap().iter().map(|row| row["pull-request"].as_u64().unwrap()).collect();
    assert_eq!(pulls, [42, 43]);
    let before = stage.github.world(|world| world.request_count());
    stage.run_post();
    assert_eq!(stage.github.world(|world| world.request_count()), before, "the end was orderly");
}
