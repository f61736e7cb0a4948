//! Every fault at every request of a story: the same verdict, and nothing dispatched twice.
//!
//! The one exception is a dispatch that never reached GitHub though it was sent: it is lost, and a re-run
//! mends it.

use std::time::Duration;

use serde_json::{Value, json};
use simulated_github::{Fault, ReviewState::Approved, When, World};

use crate::stage::{Stage, component, play_all, quick_world, will_say};

fn story() -> (World, Value) {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Approved, "yes");
    let list = json!([
        component("vpc", "plat-prod", "prod", &[component("app", "plat-prod", "dev", &[])]),
        component("cache", "plat-dev", "dev", &[]),
    ]);
    (world, list)
}

/// How many requests the story takes undisturbed.
fn requests() -> u64 {
    let (world, list) = story();
    let stage = Stage::new(world, &list);
    stage.run().expect("succeeded", 0);
    stage.github.world(|world| world.request_count())
}

fn play(fault: &Fault, request: u64) {
    let (mut world, list) = story();
    let only_lists = matches!(fault, Fault::Reordered | Fault::RepeatedPage);
    let is_list = |path: &str| path.ends_with("/runs") || path.ends_with("/comments");
    let when = When::request(request).and(move |info| !only_lists || is_list(&info.request.path));
    world.faults.once(when, fault.clone());
    let mut stage = Stage::new(world, &list);
    let place = format!("{} at request {request}", fault.name());
    let ended = stage.run();
    // What the client gave up may still take effect, and must not be the last word.
    stage.github.wait_for_the_late();
    let twice = |stage: &Stage| stage.dispatched().values().any(|count| *count > 1);
    assert!(!twice(&stage), "{place}: {:?}", stage.dispatched());
    if ended.output("result") != "succeeded" {
        let lost = ended.statuses().iter().any(|status| status.ends_with(": lost"));
        assert!(lost && ended.code == Some(1), "{place}: {}", ended.log);
        let never_came = stage.github.world(|world| {
            let exchange = world.exchanges.iter().find(|exchange| exchange.number == request).unwrap();
            exchange.path.ends_with("/dispatches")
        });
        assert!(never_came, "{place}: only a dispatch may be lost: {}", ended.log);
        stage.next_attempt();
        stage.run().expect("succeeded", 0);
        assert!(!twice(&stage), "{place}: {:?}", stage.dispatched());
    }
    assert_eq!(stage.dispatched().len(), 3, "{place}: none is forgotten");
    assert_eq!(stage.github.world(|world| world.comments.len()), 1, "{place}: one comment");
    assert!(stage.comment().contains("All 3 deployments succeeded"), "{place}: {}", stage.comment());
    assert_eq!(stage.github.world(|world| world.violations.clone()), Vec::<String>::new(), "{place}");
}

/// Requests of the story that the README speaks of.
pub const PROMISED: u64 = 20;

/// Kinds of faults that the README speaks of.
pub const KINDS: usize = 18;

fn at_every_request(faults: &[Fault]) {
    let requests = requests();
    assert!(requests > PROMISED, "the story has {requests} requests");
    let stories: Vec<(&Fault, u64)> =
        faults.iter().flat_map(|fault| (1..=requests + 2).map(move |request| (fault, request))).collect();
    play_all(&stories, |(fault, request)| play(fault, *request));
    println!("{} faults at each of {requests} requests", faults.len());
}

/// All of them, test by test.
fn kinds() -> [Vec<Fault>; 7] {
    let late = Duration::from_millis(1500);
    [
        vec![Fault::Status(500, json!({"message": "Server Error"})), Fault::Html502, Fault::EffectThen502],
        vec![Fault::ResetBefore, Fault::ResetAfter, Fault::Truncated],
        vec![
            Fault::SecondaryLimit { retry_after: Some(1), status: 403 },
            Fault::SecondaryLimit { retry_after: None, status: 429 },
        ],
        vec![Fault::HangAfter(late), Fault::HangBefore(late)],
        vec![Fault::NotFound],
        vec![Fault::NotModified, Fault::Stale(Duration::from_millis(200)), Fault::Reordered, Fault::RepeatedPage],
        vec![Fault::Halved, Fault::Empty, Fault::Page],
    ]
}

#[test]
fn there_are_as_many_kinds_as_the_readme_says() {
    assert_eq!(kinds().iter().map(Vec::len).sum::<usize>(), KINDS);
}

#[test]
fn server_errors() {
    at_every_request(&kinds()[0]);
}

#[test]
fn broken_connections() {
    at_every_request(&kinds()[1]);
}

#[test]
fn limits() {
    at_every_request(&kinds()[2]);
}

#[test]
fn answers_that_come_too_late() {
    at_every_request(&kinds()[3]);
}

#[test]
fn things_that_are_not_there_once() {
    at_every_request(&kinds()[4]);
}

#[test]
fn answers_that_are_old_or_out_of_order() {
    at_every_request(&kinds()[5]);
}

#[test]
fn answers_that_are_no_answers() {
    at_every_request(&kinds()[6]);
}
