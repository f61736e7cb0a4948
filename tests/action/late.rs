//! Answers that are old, late or missing again and again: nothing is believed by one of them alone, and one run that
//! cannot be looked at holds no other back.

use std::{
    process::Child,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::json;
use simulated_github::{Fault, ReviewState::Rejected, When};

use crate::stage::{PULL, Stage, component, quick_world, will_say};

/// vpc waits and is approved, then `slow` runs for a while, in which lists are from before the approval.
fn with_old_lists(slow: &'static str) -> Vec<String> {
    let mut world = quick_world();
    world.when(move |run| run.inputs["component"] == *slow).takes(Duration::from_millis(1500));
    let list = json!([component("vpc", "plat-prod", "prod", &[component("app", "plat-prod", "dev", &[])])]);
    let stage = Stage::new(world, &list).input("timeout", "20s");
    let child = stage.spawn();
    let says = |text: &str| stage.until(text, |world| world.sticky(PULL).is_some_and(|one| one.body.contains(text)));
    says("waits for approval");
    // So long that a list may be older than the approval by a while, and not older than the gate.
    thread::sleep(Duration::from_millis(400));
    let waited = stage.github.world(|world| {
        let run = world.dispatched(0).unwrap().id;
        let now = world.now();
        world.approve(run, "prod", "mona", "yes").unwrap();
        now
    });
    says(if slow == "app" {
        "1 of 2 deployments finished · 1 running"
    } else {
        "0 of 2 deployments finished · 1 running"
    });
    let changes = stage.github.world(|world| {
        let age = u64::try_from(world.now() - waited).unwrap() + 200;
        world.faults.times(2, When::get("/runs"), Fault::Stale(Duration::from_millis(age)));
        world.comment_history().len()
    });
    stage.wait(child).expect("succeeded", 0);
    stage.github.world(|world| world.comment_history().iter().map(|one| one.body.clone()).skip(changes).collect())
}

#[test]
fn a_list_that_is_older_than_an_end_does_not_undo_it() {
    for body in with_old_lists("app") {
        assert!(!body.contains("waits for approval"), "{body}");
    }
}

#[test]
fn what_an_old_list_undid_is_told_again_by_the_next() {
    let bodies = with_old_lists("vpc");
    let last = |text: &str| bodies.iter().rposition(|body| body.contains(text));
    // Whether the old list is believed at all depends on the second in which the run moved.
    assert!(last("1 running") > last("waits for approval") || last("waits for approval").is_none(), "{bodies:#?}");
}

#[test]
fn a_rejection_that_github_lists_late_is_no_failure() {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Rejected, "not today");
    world.faults.times(2, When::get("/approvals"), Fault::Status(200, json!([])));
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
    stage.run().expect("rejected", 1);
    assert!(stage.comment().contains("not today"), "{}", stage.comment());
}

/// A list without any run.
fn nothing() -> Fault {
    Fault::Status(200, json!({"total_count": 0, "workflow_runs": []}))
}

#[test]
fn what_was_accepted_and_not_taken_down_is_not_sent_again_though_lists_are_old() {
    for wait in ["true", "false"] {
        let mut stage = Stage::new(quick_world(), &json!([component("vpc", "plat-dev", "dev", &[])]));
        let child = Arc::new(Mutex::new(None::<Child>));
        let killed = Arc::clone(&child);
        stage
            .github
            .after_effect(When::post("/dispatches"), move || killed.lock().unwrap().as_mut().unwrap().kill().unwrap());
        *child.lock().unwrap() = Some(stage.spawn());
        stage.wait_shared(&child);
        stage.github.world(|world| {
            world.pass(Duration::from_secs(1200));
            world.faults.times(2, When::get("/runs"), nothing());
        });
        stage.next_attempt();
        stage.set_input("wait", wait);
        stage.run().expect("succeeded", 0);
        assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
    }
}

#[test]
fn without_a_readable_state_one_old_list_does_not_mean_that_nothing_was_dispatched() {
    let mut stage =
        Stage::new(quick_world(), &json!([component("vpc", "plat-prod", "prod", &[])])).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.github.world(|world| {
        let comment = world.sticky(PULL).unwrap().id;
        world.delete_comment(comment, "hubot");
        world.faults.times(2, When::get("/runs"), nothing());
    });
    stage.next_attempt();
    stage.run().expect("pending", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn a_lost_deployment_whose_run_is_missing_in_one_old_list_is_adopted_by_a_new_try() {
    let mut world = quick_world();
    // It takes effect, and its run shows up after everybody has given it up.
    world.faults.once(When::post("/dispatches"), Fault::ResetAfter);
    world.faults.always(When::get("/runs"), nothing());
    world.when(|_| true).takes(Duration::from_secs(3600));
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])]));
    let ended = stage.run();
    assert_eq!(ended.statuses(), ["vpc plat-dev: lost"], "{}", ended.log);
    stage.github.world(|world| {
        world.faults.clear();
        world.faults.once(When::get("/runs"), nothing());
    });
    stage.next_attempt();
    stage.set_input("wait", "false");
    stage.run().expect("pending", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn a_run_that_cannot_be_looked_at_holds_no_other_back() {
    let mut world = quick_world();
    world.when(|run| run.inputs["component"] == *"bad").fails("terraform apply");
    let list = json!([
        component("bad", "plat-dev", "dev", &[]),
        component("net", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])]),
    ]);
    // The run that is dispatched first.
    world.faults.always(When::get("/jobs"), Fault::Html502);
    let stage = Stage::new(world, &list).input("timeout", "12s").input("on-timeout", "detach");
    let ended = stage.run();
    let mut statuses = ended.statuses();
    statuses.sort();
    assert_eq!(statuses[0], "app plat-dev: succeeded", "{}", ended.log);
    assert_eq!(statuses[2], "net plat-dev: succeeded", "{}", ended.log);
    ended.expect("pending", 0);
}

#[test]
fn a_pass_does_not_give_a_run_up_by_one_look() {
    let mut world = quick_world();
    world.when(|_| true).takes(Duration::from_secs(3600));
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-dev", "dev", &[])])).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.github.world(|world| {
        world.pass(Duration::from_secs(1200));
        world.faults.once(When::get("/runs"), nothing());
        world.faults.times(3, When::get("/runs/{run_id}"), Fault::NotFound);
    });
    stage.next_attempt();
    let ended = stage.run();
    ended.expect("pending", 0);
    assert_eq!(ended.statuses(), ["vpc plat-dev: running"], "{}", ended.log);
}

#[test]
fn a_sweep_sees_a_run_that_was_rerun_by_hand_though_nothing_of_its_workflow_is_under_way() {
    let mut world = quick_world();
    world.workflow("other.yaml", crate::stage::APPLY);
    let mut other = component("net", "plat-dev", "dev", &[component("app", "plat-dev", "dev", &[])]);
    let workflows = other.pointer_mut("/settings/pro/pull_request/merged/workflows").unwrap();
    let inputs = workflows["atmos-terraform-apply.yaml"].take();
    *workflows = json!({"other.yaml": inputs});
    world.when(|run| run.inputs["component"] == *"net").on_attempt(1).fails("terraform apply");
    let list = json!([other, component("x", "plat-prod", "prod", &[])]);
    let mut stage = Stage::new(world, &list).input("wait", "false").input("fail-on", "never");
    stage.run();
    stage.until("net fails", |world| world.dispatched(0).unwrap().conclusion() == Some("failure"));
    stage.until("x waits", |world| world.dispatched(1).unwrap().status() == "waiting");
    // What is as old as this when the comment is written was seen before.
    stage.github.world(|world| world.pass(Duration::from_secs(3600)));
    stage.next_attempt();
    assert!(stage.run().statuses().contains(&"app plat-dev: skipped".to_owned()));
    stage.set("GITHUB_EVENT_NAME", "schedule");
    stage.environment.remove("INPUT_AFFECTED");
    stage.github.world(|world| {
        let run = world.dispatched(0).unwrap().id;
        world.rerun(run, "mona");
    });
    stage.until("net succeeds", |world| world.dispatched(0).unwrap().conclusion() == Some("success"));
    stage.set("GITHUB_RUN_ID", "7000000003");
    let statuses = stage.run().statuses();
    assert!(statuses.contains(&"net plat-dev: succeeded".to_owned()), "{statuses:?}");
    assert!(stage.github.world(|world| world.dispatches().len()) == 3, "app goes on");
}

#[test]
fn an_end_that_an_earlier_pass_took_down_is_not_undone_by_an_old_list() {
    let mut world = quick_world();
    world.when(|run| run.inputs["component"] == *"bad").takes(Duration::from_millis(400)).fails("terraform apply");
    let list = json!([component("bad", "plat-dev", "dev", &[]), component("x", "plat-prod", "prod", &[])]);
    let mut stage = Stage::new(world, &list).input("wait", "false").input("fail-on", "never");
    stage.run();
    stage.next_attempt();
    stage.run();
    let before = stage.github.world(|world| world.now());
    stage.until("bad fails", |world| world.dispatched(0).unwrap().conclusion() == Some("failure"));
    stage.next_attempt();
    assert!(stage.run().statuses().contains(&"bad plat-dev: failed".to_owned()));
    stage.github.world(|world| {
        let age = u64::try_from(world.now() - before).unwrap();
        world.faults.once(When::get("/runs"), Fault::Stale(Duration::from_millis(age)));
    });
    stage.next_attempt();
    let ended = stage.run();
    assert!(ended.statuses().contains(&"bad plat-dev: failed".to_owned()), "{}", ended.log);
    assert!(!ended.log.contains("running"), "{}", ended.log);
}
