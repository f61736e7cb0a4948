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
        world
            .sticky(PULL)
            .is_some_and(|comment| comment.body.contains("waits for approval") && comment.body.contains("1 succeeded"))
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
        world
            .sticky(PULL)
            .is_some_and(|comment| comment.body.contains("waits for approval") && comment.body.contains("1 running"))
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

/// One run that was approved a moment ago and waits for a runner. It was last seen at its gate, or before it.
fn approved_and_queued(seen_at_its_gate: bool, comment: bool) -> (Stage, std::process::Child) {
    // The next look is far away.
    let interval = if seen_at_its_gate { "3s" } else { "20s" };
    let stage = Stage::new(world(), &json!([component("vpc", "plat-prod", "prod", &[])]))
        .input("on-cancel", "cancel-waiting")
        .input("comment", &comment.to_string())
        .input("poll-interval", interval);
    let child = stage.spawn();
    stage.until("it is at its gate", |world| world.dispatched(0).is_some_and(|run| run.status() == "waiting"));
    if seen_at_its_gate {
        let asked = |exchange: &simulated_github::Exchange| exchange.path.ends_with("/pending_deployments");
        stage.until("that is seen", |world| world.exchanges.iter().any(asked));
    }
    // It writes down what it saw.
    std::thread::sleep(Duration::from_millis(300));
    let run = stage.github.world(|world| world.dispatched(0).unwrap().id);
    stage.github.world(|world| {
        world.pace.queued = Duration::from_secs(30);
        world.approve(run, "prod", "mona", "").unwrap();
        assert_eq!(world.runs[&run].status(), "queued");
    });
    (stage, child)
}

fn asked_to_cancel(stage: &Stage) -> bool {
    stage.github.world(|world| world.exchanges.iter().any(|exchange| exchange.path.ends_with("/cancel")))
}

#[test]
fn on_cancel_spares_what_was_approved_and_waits_for_a_runner() {
    for (seen_at_its_gate, comment, killed) in
        [(true, true, false), (false, true, false), (true, true, true), (false, true, true), (true, false, true)]
    {
        let (mut stage, mut child) = approved_and_queued(seen_at_its_gate, comment);
        let ended = if killed {
            child.kill().unwrap();
            child.wait().unwrap();
            stage.run_post()
        } else {
            signal(&child, "TERM");
            stage.wait(child)
        };
        assert!(!asked_to_cancel(&stage), "seen at its gate: {seen_at_its_gate}, killed: {killed}: {}", ended.log);
    }
}

/// So many runs that take a minute, and a job that was killed.
fn killed_with(count: usize) -> Stage {
    let mut world = world();
    world.pace.takes = Duration::from_secs(60);
    let list: Vec<Value> = (0..count).map(|index| component(&format!("c{index}"), "plat-dev", "dev", &[])).collect();
    let stage = Stage::new(world, &json!(list)).input("on-cancel", "cancel-all");
    let mut child = stage.spawn();
    let all = format!("{count} running");
    stage.until("all run", |world| world.sticky(PULL).is_some_and(|comment| comment.body.contains(&all)));
    child.kill().unwrap();
    child.wait().unwrap();
    stage
}

fn cancelled(stage: &Stage, count: usize) {
    stage.until("all are cancelled", |world| {
        (0..count).all(|index| world.dispatched(index).unwrap().conclusion() == Some("cancelled"))
    });
}

#[test]
fn the_post_step_takes_the_time_that_many_cancellations_need() {
    // By the real pace: ten at once, then one a second.
    let mut stage = killed_with(18);
    stage.set("DEPLOYMENT_APPROVALS_HURRY", "1");
    let began = Instant::now();
    stage.run_post();
    assert!(began.elapsed() > Duration::from_secs(6), "{:?}", began.elapsed());
    cancelled(&stage, 18);
    let told: Vec<String> = stage.github.world(|world| {
        let bodies = world.comment_history().iter().map(|change| crate::stage::visible(&change.body));
        bodies.filter(|body| body.contains("Nobody is watching any more")).collect()
    });
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("the job was killed, and the cancellation of 18 runs was begun)"), "{}", told[0]);
    assert!(told[1].contains("the job was killed, and the cancellation of 18 runs was asked for)"), "{}", told[1]);
}

#[test]
fn the_post_step_goes_on_with_cancellations_for_which_a_signal_left_no_time() {
    let mut world = world();
    world.pace.takes = Duration::from_secs(60);
    let list: Vec<Value> = (0..3).map(|index| component(&format!("c{index}"), "plat-dev", "dev", &[])).collect();
    let mut stage = Stage::new(world, &json!(list)).input("on-cancel", "cancel-all");
    let child = stage.spawn();
    let running = |world: &mut World| world.sticky(PULL).is_some_and(|it| it.body.contains("3 running"));
    stage.until("all run", running);
    stage.github.world(|world| world.faults.always(When::post("/cancel").nth(2), Fault::Html502));
    signal(&child, "TERM");
    stage.wait(child).expect("pending", 1);
    let said = stage.comment();
    assert!(said.contains("the job was cancelled, and the cancellation of 3 runs was begun)"), "{said}");
    stage.github.world(|world| world.faults.clear());
    stage.run_post();
    cancelled(&stage, 3);
    let said = stage.comment();
    assert!(said.contains("the job was cancelled, and the cancellation of 3 runs was asked for)"), "{said}");
}

#[test]
fn a_run_that_cannot_be_cancelled_is_counted_in_the_comment() {
    let mut stage = killed_with(3);
    let refusal = json!({"message": "no"});
    stage.github.world(|world| world.faults.times(1, When::post("/cancel"), Fault::Status(403, refusal)));
    let ended = stage.run_post();
    assert!(ended.log.contains("could not be cancelled"), "{}", ended.log);
    let said = stage.comment();
    let told = "the cancellation of 2 of 3 runs was asked for; 1 could not be cancelled)";
    assert!(said.contains(told), "{said}");
}

#[test]
fn a_time_out_cancels_nothing_though_its_last_words_were_not_answered() {
    let stage = Stage::new(world(), &json!([component("vpc", "plat-prod", "prod", &[])]));
    let mut stage = stage.input("on-cancel", "cancel-all").input("timeout", "2s");
    let child = stage.spawn();
    stage.until("it waits", |world| world.sticky(PULL).is_some_and(|it| it.body.contains("waits for approval")));
    stage.github.world(|world| world.faults.always(When::patch("/comments/{comment_id}"), Fault::EffectThen502));
    stage.wait(child).expect("pending", 1);
    stage.github.world(|world| world.faults.clear());
    let ended = stage.run_post();
    assert!(!asked_to_cancel(&stage), "{}", ended.log);
}

#[test]
fn debug_logging_shows_the_requests_of_the_post_step_too() {
    let (mut stage, mut child) = waiting();
    child.kill().unwrap();
    child.wait().unwrap();
    stage.set("RUNNER_DEBUG", "1");
    let ended = stage.run_post();
    assert!(ended.log.contains("::debug::GET ") && ended.log.contains("::debug::PATCH "), "{}", ended.log);
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
