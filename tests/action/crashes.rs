//! Killed after each single request in turn, and restarted: exactly one dispatch of each try of each
//! deployment, and the same end.

use std::{
    collections::BTreeMap,
    process::Child,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use regex_lite::Regex;
use serde_json::{Value, json};
use simulated_github::{
    ReviewState::{Approved, Rejected},
    Run, When, World,
};

use crate::stage::{PULL, Stage, component, play_all, quick_world, will_say};

/// Eight deployments, three gates. The queue is rejected, and approved when the job is run again.
fn story() -> (World, Value) {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Approved, "yes");
    will_say(&mut world, "dns", "prod", Approved, "");
    let first: Arc<Mutex<Option<String>>> = Arc::default();
    let is_first = move |run: &Run| {
        let id = run.inputs["atmos_pro_run_id"].to_owned();
        *first.lock().unwrap().get_or_insert_with(|| id.clone()) == id
    };
    will_say(&mut world, "queue", "prod", Approved, "after the sale");
    world.when(move |run| run.inputs["component"] == *"queue" && is_first(run)).reviewed(
        Duration::from_millis(60),
        Rejected,
        "mona",
        "not during the sale",
    );
    let open = |name: &str| component(name, "plat", "dev", &[]);
    let list = json!([
        component("vpc", "plat", "prod", &[open("app")]),
        component("queue", "plat", "prod", &[component("worker", "plat", "dev", &[open("report")])]),
        component("dns", "plat", "prod", &[open("cert")]),
        open("cache"),
    ]);
    (world, list)
}

/// How often each component is dispatched, whatever happens: what was rejected once more, what needs it once.
const DISPATCHES: [(&str, usize); 8] =
    [("app", 1), ("cache", 1), ("cert", 1), ("dns", 1), ("queue", 2), ("report", 1), ("vpc", 1), ("worker", 1)];

/// Where the process is killed.
#[derive(Debug, Clone, Copy)]
struct Point {
    request: u64,
    /// After the answer went out, or before that.
    answered: bool,
}

/// Plays the story to its end, which takes one re-run, with a kill and a restart at the point. Tells the
/// last comment, and whether the point was ever reached.
fn play(point: Option<Point>) -> (String, bool) {
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
    match point {
        Some(Point { request, answered: true }) => stage.github.after_answer(When::request(request), kill),
        Some(Point { request, answered: false }) => stage.github.after_effect(When::request(request), kill),
        None => {}
    }
    let (mut kills, mut rejections) = (0, 0);
    loop {
        *child.lock().unwrap() = Some(stage.spawn());
        let ended = stage.wait_shared(&child);
        match (ended.code, ended.output("result")) {
            (None, _) => kills += 1,
            (Some(1), "rejected") => rejections += 1,
            (Some(0), "succeeded") => break,
            other => panic!("{point:?}: {other:?}: {}", ended.log),
        }
        assert!(kills <= 1 && rejections <= 1, "{point:?}: {kills} kills, {rejections} rejections: {}", ended.log);
        stage.next_attempt();
    }
    held(&stage, point);
    (comparable(&stage.comment()), kills == 1)
}

/// No try was dispatched twice, and none is lost.
fn held(stage: &Stage, point: Option<Point>) {
    stage.github.world(|world| {
        let (mut tries, mut components) = (BTreeMap::new(), BTreeMap::new());
        for dispatch in world.dispatches() {
            *tries.entry(dispatch.inputs["atmos_pro_run_id"].to_owned()).or_insert(0) += 1;
            *components.entry(dispatch.inputs["component"].to_owned()).or_insert(0) += 1;
        }
        assert!(tries.values().all(|count| *count == 1), "{point:?}: {tries:?}");
        let expected: BTreeMap<String, usize> =
            DISPATCHES.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(components, expected, "{point:?}");
        assert_eq!(world.comments_on(PULL).len(), 1, "{point:?}: one comment");
        assert_eq!(world.violations, Vec::<String>::new(), "{point:?}");
    });
}

/// A comment without what may differ from one telling to the next: numbers of runs, times, durations, order, and what
/// the checks found, since they look only at what is still to be dispatched when a process begins.
fn comparable(comment: &str) -> String {
    let cuts = [
        (r"runs/\d+", "runs/N"),
        (r"#\d{5,}|\b\d{11}\b", "N"),
        (r"\d{4}[-\u{2011}]\d\d[-\u{2011}]\d\d[T \u{a0}]\d\d:\d\d(:\d\d)?Z?", "T"),
        (r" · (waited|ran)(\u{a0}\d+[hms])+", ""),
        (r"\| (waited|ran)(\u{a0}\d+[hms])+( · )?", "| "),
        (r"(?s)<details><summary>⚠️ The checks found.*?</details>\n\n", ""),
    ];
    let text = cuts.iter().fold(comment.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    });
    // Decisions stand in the order in which they were seen.
    let (mut lines, mut decisions) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if line.starts_with("| ✅\u{a0}approved by") { decisions.push(line) } else { lines.push(line) }
    }
    decisions.sort_unstable();
    lines.extend(decisions);
    lines.join("\n")
}

/// More requests than the story has: those past its end are not played.
const MOST: u64 = 400;

/// Points in all that the README speaks of.
pub const PROMISED: u64 = 100;

fn at_every_request(answered: bool) {
    let (expected, _) = play(None);
    assert!(expected.contains("All 8 deployments succeeded"), "{expected}");
    let points: Vec<u64> = (1..=MOST).collect();
    let (reached, missed) = (AtomicU64::new(0), AtomicU64::new(0));
    play_all(&points, |request| {
        // Undisturbed stories differ by a few requests; past the last there is nothing to kill.
        if missed.load(Ordering::Relaxed) >= 8 {
            return;
        }
        let point = Point { request: *request, answered };
        let (comment, killed) = play(Some(point));
        assert!(comment == expected, "{point:?}:\n{comment}\ninstead of\n{expected}");
        let count = if killed { &reached } else { &missed };
        count.fetch_add(1, Ordering::Relaxed);
    });
    let reached = reached.into_inner();
    println!("killed at {reached} points");
    assert!(reached > PROMISED / 2 && reached < MOST, "killed at {reached} points");
}

#[test]
fn killed_after_any_request_took_effect_and_run_again() {
    at_every_request(false);
}

#[test]
fn killed_after_any_answer_and_run_again() {
    at_every_request(true);
}
