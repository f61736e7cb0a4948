//! The sweep: a cron's single pass over every unfinished rollout.

use serde_json::{Value, json};

use crate::stage::{PULL, Stage, component, world};

fn scheduled(stage: &mut Stage, run: u64) {
    stage.set("GITHUB_EVENT_NAME", "schedule");
    stage.set("GITHUB_RUN_ID", &run.to_string());
    stage.set_input("wait", "false");
    stage.environment.remove("INPUT_AFFECTED");
}

#[test]
fn a_cron_carries_every_rollout_to_its_end_without_anybody_waiting() {
    let mut world = world();
    world.open_pull_request(43, "Another", "octocat");
    world.merge(43, "hubot");
    let list = json!([component("vpc", "plat-prod", "prod", &[component("app", "plat-prod", "dev", &[])])]);
    let mut stage = Stage::new(world, &list).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.set("GITHUB_EVENT_NAME", "workflow_dispatch");
    stage.set_input("pull-request", "43");
    stage.set("GITHUB_RUN_ID", "7000000002");
    stage.run().expect("pending", 0);
    stage.environment.remove("INPUT_PULL-REQUEST");

    scheduled(&mut stage, 7_000_000_003);
    stage.until("both wait", |world| (0..2).all(|index| world.dispatched(index).unwrap().status() == "waiting"));
    let ended = stage.run();
    ended.expect("pending", 0);
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    let pulls: Vec<u64> = rows.as_array().unwrap().iter().map(|row| row["pull-request"].as_u64().unwrap()).collect();
    assert_eq!(pulls, [42, 42, 43, 43]);
    assert!(stage.comment().contains("waits for approval"), "{}", stage.comment());

    stage.github.world(|world| {
        for index in 0..2 {
            let run = world.dispatched(index).unwrap().id;
            world.approve(run, "prod", "mona", "").unwrap();
        }
    });
    for pass in 0..60_u64 {
        std::thread::sleep(std::time::Duration::from_millis(60));
        stage.set("GITHUB_RUN_ID", &(7_000_000_004 + pass).to_string());
        let ended = stage.run();
        if ended.output("result") == "nothing-to-deploy" {
            assert_eq!(stage.github.world(|world| world.dispatches().len()), 4);
            assert!(stage.comment().contains("All 2 deployments succeeded"), "{}", stage.comment());
            return;
        }
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    panic!("the sweep never ends: {}", stage.comment());
}

#[test]
fn a_sweep_that_finds_nothing_new_asks_little_and_writes_nothing() {
    let list: Vec<_> = (0..8).map(|index| component(&format!("c{index}"), "plat-prod", "prod", &[])).collect();
    let mut stage = Stage::new(world(), &json!(list)).input("wait", "false");
    stage.run().expect("pending", 0);
    stage.until("all wait", |world| (0..8).all(|index| world.dispatched(index).unwrap().status() == "waiting"));
    scheduled(&mut stage, 7_000_000_002);
    let looked = |stage: &Stage| {
        let before = stage.github.world(|world| (world.request_count(), world.comment_history().len()));
        let ended = stage.run();
        let after = stage.github.world(|world| (world.request_count(), world.comment_history().len()));
        assert_eq!(ended.output("pending"), "8");
        (after.0 - before.0, after.1 - before.1)
    };
    let (asked, written) = looked(&stage);
    assert!(asked > 10 && written > 0, "{asked} requests, {written} writes");
    // What changed shortly before the comment was written may not have been seen.
    std::thread::sleep(std::time::Duration::from_secs(4));
    looked(&stage);
    let (asked, written) = looked(&stage);
    assert!(asked <= 4 && written == 0, "{asked} requests, {written} writes");
    stage.github.world(|world| {
        for index in 0..8 {
            let run = world.dispatched(index).unwrap().id;
            world.approve(run, "prod", "mona", "").unwrap();
        }
    });
    stage.until("all end", |world| (0..8).all(|index| world.dispatched(index).unwrap().status() == "completed"));
    stage.run().expect("succeeded", 0);
}

#[test]
fn a_sweep_must_not_wait() {
    let mut stage = Stage::new(world(), &json!([]));
    scheduled(&mut stage, 7_000_000_002);
    stage.set_input("wait", "true");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("`wait: false`"), "{}", ended.log);
}

#[test]
fn a_dry_run_of_a_sweep_shows_what_the_states_tell_and_asks_nothing_more() {
    let list = json!([component("vpc", "plat-prod", "prod", &[])]);
    let mut stage = Stage::new(world(), &list).input("wait", "false");
    stage.run().expect("pending", 0);
    scheduled(&mut stage, 7_000_000_002);
    stage.set_input("dry-run", "true");
    let before = stage.comment();
    let ended = stage.run();
    ended.expect("skipped", 0);
    assert_eq!(ended.output("pending"), "1");
    assert_eq!(stage.comment(), before);
    stage.set_input("dry-run", "false");
    stage.set_input("comment", "false");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(
        ended.log.contains("input `comment` is `false`: a sweep finds rollouts by their comments"),
        "{}",
        ended.log
    );
}

#[test]
fn a_sweep_leaves_a_rollout_to_its_living_holder() {
    let mut world = world();
    world.workflow("deploy.yml", "on: workflow_dispatch\njobs: {deploy: {runs-on: x, steps: [{run: x}]}}");
    world.pace.takes = std::time::Duration::from_secs(60);
    let watcher = world.trigger("deploy.yml", "workflow_dispatch", "hubot", &[]);
    let list = json!([component("vpc", "plat-prod", "prod", &[])]);
    let mut stage = Stage::new(world, &list);
    stage.set("GITHUB_RUN_ID", &watcher.to_string());
    let mut child = stage.spawn();
    stage.until("it waits", |world| {
        world.sticky(PULL).is_some_and(|comment| comment.body.contains("waits for approval"))
    });
    let before = stage.github.world(|world| world.comment_history().len());
    scheduled(&mut stage, 7_000_000_002);
    let ended = stage.run();
    ended.expect("pending", 0);
    assert!(ended.log.contains("follows this rollout"), "{}", ended.log);
    assert_eq!(stage.github.world(|world| world.comment_history().len()), before, "only the holder writes");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_a_sweep_finished_is_tried_again_by_the_job_that_began_it() {
    let mut world = world();
    world.when(|run| &run.inputs["component"] == "vpc").fails("terraform apply").on_attempt(1);
    let list = json!([component("vpc", "plat-dev", "dev", &[]), component("dns", "plat-dev", "dev", &[])]);
    let mut stage = Stage::new(world, &list).input("wait", "false");
    stage.run().expect("pending", 0);
    let merge = stage.environment.clone();

    scheduled(&mut stage, 7_000_000_003);
    stage.until("both end", |world| (0..2).all(|index| world.dispatched(index).unwrap().status() == "completed"));
    stage.run().expect("failed", 1);

    stage.environment = merge;
    stage.run().expect("failed", 1);
    assert_eq!(stage.dispatched().values().sum::<usize>(), 2, "the same attempt tries nothing again");
    stage.set_input("wait", "true");
    stage.next_attempt();
    stage.run();
    let tried = stage.dispatched();
    assert_eq!((tried["vpc plat-dev"], tried["dns plat-dev"]), (2, 1), "what succeeded is kept");
}
