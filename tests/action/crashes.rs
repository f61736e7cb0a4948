//! Killed after each single request in turn, and restarted: exactly one dispatch of each deployment, and
//! the same end.

use std::{
    process::Child,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use simulated_github::{ReviewState::Approved, When, World};

use crate::stage::{Stage, component, play_all, quick_world, will_say};

fn story() -> (World, Value) {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Approved, "yes");
    will_say(&mut world, "queue", "prod", Approved, "");
    let list = json!([
        component("vpc", "plat-prod", "prod", &[component("app", "plat-prod", "dev", &[])]),
        component("queue", "plat-prod", "prod", &[component("worker", "plat-prod", "dev", &[])]),
        component("cache", "plat-dev", "dev", &[]),
    ]);
    (world, list)
}

const EXPECTED: [&str; 5] = [
    "vpc plat-prod: succeeded",
    "queue plat-prod: succeeded",
    "cache plat-dev: succeeded",
    "app plat-prod: succeeded",
    "worker plat-prod: succeeded",
];

/// Plays the story with a kill at the given request; `before` or after its answer went out. Tells whether
/// the request was ever made.
fn play(request: u64, answered: bool) -> bool {
    let (world, list) = story();
    let mut stage = Stage::new(world, &list);
    let child: Arc<Mutex<Option<Child>>> = Arc::default();
    let killed = Arc::clone(&child);
    let kill = move || {
        if let Some(child) = killed.lock().unwrap().as_mut() {
            drop(child.kill());
            drop(child.wait());
        }
    };
    if answered {
        stage.github.after_answer(When::request(request), kill);
    } else {
        stage.github.after_effect(When::request(request), kill);
    }
    {
        let mut slot = child.lock().unwrap();
        *slot = Some(stage.spawn());
    }
    let first = loop {
        let status = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
        if let Some(status) = status {
            break status.code();
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    let reached = first.is_none();
    if reached {
        stage.next_attempt();
        let ended = stage.run();
        assert_eq!(ended.output("result"), "succeeded", "request {request}: {}", ended.log);
        let mut statuses = ended.statuses();
        let mut expected = EXPECTED.map(str::to_owned).to_vec();
        statuses.sort();
        expected.sort();
        assert_eq!(statuses, expected, "request {request}, answered {answered}: {}", ended.log);
    }
    let counts = stage.dispatched();
    assert_eq!(counts.len(), 5, "request {request}, answered {answered}: {counts:?}");
    assert!(counts.values().all(|count| *count == 1), "request {request}, answered {answered}: {counts:?}");
    assert_eq!(stage.github.world(|world| world.comments.len()), 1, "request {request}: one comment");
    assert!(stage.comment().contains("All 5 deployments succeeded"), "request {request}: {}", stage.comment());
    reached
}

/// More requests than the story has: those past its end are played undisturbed.
const REQUESTS: u64 = 70;

fn at_every_request(answered: bool) {
    let stories: Vec<u64> = (1..=REQUESTS).collect();
    let reached = AtomicU64::new(0);
    play_all(&stories, |request| {
        if play(*request, answered) {
            reached.fetch_add(1, Ordering::Relaxed);
        }
    });
    let reached = reached.into_inner();
    assert!(reached > 18 && reached < REQUESTS, "killed at {reached} requests");
}

#[test]
fn killed_after_any_request_took_effect_and_run_again() {
    at_every_request(false);
}

#[test]
fn killed_after_any_answer_and_run_again() {
    at_every_request(true);
}
