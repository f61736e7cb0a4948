//! Leaving before the end: signals, time-outs, a token that expires, and the post step after a kill.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simulated_github::{Fault, When, World};

use crate::stage::{PULL, Stage, component, world};

fn waiting() -> (Stage, std::process::Child) {
    let stage = Stage::new(
        world(),
        &json!([component("vpc", "plat-prod", "prod", &[]), component("app", "plat-dev", "dev", &[])]),
    );
    let child = stage.spawn();
    await_gate(&stage);
    (stage, child)
}

fn await_gate(stage: &Stage) {
    stage.until("vpc waits and app is done", |world| {
        world.sticky(PULL).is_some_and(|comment| {
            comment.body.contains("waits for approval") && comment.body.contains("1\u{a0}succeeded")
        })
    });
}

fn signal(child: &std::process::Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_signal_leaves_a_true_comment_outputs_and_the_runs_alone() {
    for name in ["INT", "TERM"] {
        let (stage, child) = waiting();
        let begin = Instant::now();
        signal(&child, name);
        let ended = stage.wait(child);
        assert!(begin.elapsed() < Duration::from_secs(7), "{:?}", begin.elapsed());
        ended.expect("pending", 1);
        assert_eq!((ended.output("pending"), ended.output("succeeded")), ("1", "1"));
        assert!(stage.comment().contains("Nobody is watching any more"), "{}", stage.comment());
        assert!(ended.summary.contains("Nobody is watching any more"), "{}", ended.summary);
        stage.github.world(|world| assert_eq!(world.dispatched(0).unwrap().status(), "waiting"));
    }
}

#[test]
fn a_signal_is_answered_in_time_though_github_is_slow() {
    let (stage, child) = waiting();
    stage.github.world(|world| world.faults.always(When::any(), Fault::HangAfter(Duration::from_secs(30))));
    let begin = Instant::now();
    signal(&child, "INT");
    let ended = stage.wait(child);
    assert!(begin.elapsed() < Duration::from_secs(7), "{:?}", begin.elapsed());
    ended.expect("pending", 1);
}

#[test]
fn on_cancel_cancels_what_waits_and_nothing_that_is_approved() {
    let mut world = world();
    world.when(|run| run.inputs["component"] == *"app").takes(Duration::from_secs(20));
    let stage = Stage::new(
        world,
        &json!([component("vpc", "plat-prod", "prod", &[]), component("app", "plat-dev", "dev", &[])]),
    )
    .input("on-cancel", "cancel-waiting");
    let child = stage.spawn();
    stage.until("both are on their way", |world| {
        world.sticky(PULL).is_some_and(|comment| {
            comment.body.contains("waits for approval") && comment.body.contains("1\u{a0}running")
        })
    });
    signal(&child, "TERM");
    stage.wait(child).expect("pending", 1);
    stage.until("vpc is cancelled", |world| world.dispatched(0).unwrap().conclusion() == Some("cancelled"));
    stage.github.world(|world| assert_eq!(world.dispatched(1).unwrap().status(), "in_progress"));
}

#[test]
fn on_cancel_spares_what_was_approved_since_the_last_look() {
    let mut world = world();
    world.pace.takes = Duration::from_secs(20);
    let stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]))
        .input("on-cancel", "cancel-waiting")
        .input("poll-interval", "20s");
    // The run is at its gate when it is first looked at: the next look is far away.
    let child = stage.spawn();
    stage.until("it is dispatched", |world| world.dispatched(0).is_some_and(|run| run.status() == "waiting"));
    let looked = |world: &mut World| world.sticky(PULL).is_some_and(|comment| comment.body.contains("queued"));
    stage.until("that is told", looked);
    stage.github.world(|world| {
        let run = world.dispatched(0).unwrap().id;
        world.approve(run, "prod", "mona", "").unwrap();
    });
    stage.until("it runs", |world| world.dispatched(0).unwrap().status() == "in_progress");
    signal(&child, "TERM");
    let ended = stage.wait(child);
    ended.expect("pending", 1);
    assert!(ended.log.contains("left alone"), "{}", ended.log);
    stage.github.world(|world| assert_eq!(world.dispatched(0).unwrap().status(), "in_progress"));
}

#[test]
fn a_time_out_fails_or_detaches_and_the_next_attempt_goes_on() {
    for (on_timeout, code) in [("fail", 1), ("detach", 0)] {
        let mut stage = Stage::new(world(), &json!([component("vpc", "plat-prod", "prod", &[])]))
            .input("timeout", "700ms")
            .input("on-timeout", on_timeout);
        let ended = stage.run();
        ended.expect("pending", code);
        assert!(stage.comment().contains("Nobody is watching any more"), "{}", stage.comment());
        stage.github.world(|world| {
            let run = world.dispatches()[0].run;
            world.approve(run, "prod", "mona", "at last").unwrap();
        });
        stage.next_attempt();
        stage.set_input("timeout", "30s");
        stage.run().expect("succeeded", 0);
        assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
        assert!(!stage.comment().contains("Nobody"), "{}", stage.comment());
    }
}

#[test]
fn a_token_that_expires_keeps_the_state_and_says_so() {
    let (mut stage, child) = waiting();
    stage.github.world(simulated_github::World::expire_tokens);
    let ended = stage.wait(child);
    ended.expect("pending", 1);
    assert!(ended.log.contains("does not accept the token"), "{}", ended.log);
    stage.github.world(|world| {
        world.tokens.insert(crate::stage::TOKEN.to_owned());
        let run = world.dispatches()[0].run;
        world.approve(run, "prod", "mona", "").unwrap();
    });
    stage.next_attempt();
    stage.run().expect("succeeded", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 2);
}

#[test]
fn the_post_step_finishes_the_comment_after_a_kill_and_does_nothing_after_an_orderly_end() {
    let (mut stage, mut child) = waiting();
    child.kill().unwrap();
    child.wait().unwrap();
    let dispatches = stage.github.world(|world| world.dispatches().len());
    stage.run_post();
    assert!(stage.comment().contains("Nobody is watching any more"), "{}", stage.comment());
    assert_eq!(stage.github.world(|world| world.dispatches().len()), dispatches);

    let mut stage = Stage::new(world(), &json!([component("app", "plat-dev", "dev", &[])]));
    stage.run().expect("succeeded", 0);
    let before = stage.github.world(|world| world.exchanges.len());
    stage.run_post();
    assert_eq!(stage.github.world(|world| world.exchanges.len()), before);
}

#[test]
fn a_kill_leaves_outputs_that_are_true() {
    let (stage, mut child) = waiting();
    child.kill().unwrap();
    let ended = stage.wait(child);
    assert_eq!((ended.output("result"), ended.output("succeeded"), ended.output("pending")), ("pending", "1", "1"));
    let rows: Value = serde_json::from_str(ended.output("deployments")).unwrap();
    assert_eq!(rows[0]["reviewers"], json!(["mona", "platform"]));
}
