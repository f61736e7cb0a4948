//! What a rollout costs, from start to end: the real binary on the simulated GitHub, as a table:
//! `cargo bench --bench rollout`. Time runs a hundred times faster than in production, for both sides alike, so
//! that a second of the benchmark is a hundred seconds of a rollout.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and fails loudly"
)]

#[allow(dead_code, reason = "the stories of the tests need more of it")]
#[path = "../action/stage.rs"]
mod stage;

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use simulated_github::{Fault, Millis, When};

use stage::{Stage, component, world};

/// How much faster than real everything runs.
const SPEED: u32 = 100;
/// The waiting time in which nothing happens.
const IDLE: Duration = Duration::from_secs(900);
/// The time within which all approvals come, evenly spread: one by one, or by a reviewer who sits down to it.
const APPROVALS: Duration = Duration::from_secs(1800);
const QUICK_APPROVALS: Duration = Duration::from_secs(300);
/// The time an apply takes, and that until a runner takes it.
const APPLY: Duration = Duration::from_secs(120);
const QUEUED: Duration = Duration::from_secs(10);

/// What one rollout cost.
struct Cost {
    deployments: usize,
    /// Requests that count against the limit, and those answered 304, over the whole rollout.
    whole: (u64, u64),
    /// The same while nothing changed, for an hour.
    idle: (u64, u64),
    /// From a look that shows a change to the rewritten comment; in ms: the median and the longest.
    shown: (Millis, Millis),
    used: Used,
}

/// What the process used, as the kernel tells.
#[derive(Default, Clone)]
struct Used {
    processor: Duration,
    peak: String,
}

fn main() {
    println!(
        "| deployments | approved within | counted requests, each | 304s, each | counted in an idle hour | 304s in an idle hour | change seen → comment, median (longest) | processor time | peak memory |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let rows = [(1, APPROVALS), (10, APPROVALS), (100, APPROVALS), (100, QUICK_APPROVALS), (1000, APPROVALS)];
    // `cargo bench --bench rollout -- start` measures the start alone.
    let only_start = std::env::args().any(|word| word == "start");
    for (deployments, approvals) in rows.into_iter().filter(|_| !only_start) {
        let cost = rollout(deployments, approvals);
        let each = |count: u64| count as f64 / cost.deployments as f64;
        println!(
            "| {} | {} min | {:.1} | {:.1} | {} | {} | {} ms ({} ms) | {:.2} s | {} |",
            cost.deployments,
            approvals.as_secs() / 60,
            each(cost.whole.0),
            each(cost.whole.1),
            cost.idle.0,
            cost.idle.1,
            cost.shown.0,
            cost.shown.1,
            cost.used.processor.as_secs_f64(),
            cost.used.peak,
        );
    }
    println!();
    first_dispatch();
    cold_start();
    let binary = fs::metadata(env!("CARGO_BIN_EXE_deployment-approvals")).unwrap();
    println!("binary: {:.2} MB", binary.len() as f64 / 1e6);
}

/// So long a time of a rollout, in the benchmark's own.
fn fast(real: Duration) -> Duration {
    real / SPEED
}

/// So many components, each behind the gate of `prod`.
fn many(deployments: usize) -> Stage {
    let mut world = world();
    world.pace.queued = fast(QUEUED);
    world.pace.takes = fast(APPLY);
    // The cost is wanted without the slowing down that a small budget brings.
    world.limits.limit = 1_000_000;
    let list = (0..deployments).map(|index| component(&format!("component-{index}"), "plat-prod", "prod", &[]));
    Stage::new(world, &Value::from(list.collect::<Vec<_>>()))
        .input("max-deployments", "0")
        .input("timeout", "10m")
        .input("poll-interval", &format!("{}ms", fast(Duration::from_secs(15)).as_millis()))
}

/// All are dispatched and wait; then nothing happens; then each is approved and applied.
fn rollout(deployments: usize, approvals: Duration) -> Cost {
    let stage = many(deployments);
    let mut child = stage.spawn();
    let mut used = Used::default();
    until(&stage, &mut child, &mut used, |stage| {
        let comment = stage.comment();
        stage
            .github
            .world(|world| world.runs.len() == deployments && world.runs.values().all(|run| run.status() == "waiting"))
            && comment.contains(&format!("{deployments} of {deployments}")) | comment.contains("waits for approval")
    });
    // The interval stretches first.
    pause(&mut child, &mut used, fast(Duration::from_secs(300)));
    let before = requests(&stage);
    pause(&mut child, &mut used, fast(IDLE));
    let after = requests(&stage);
    let hourly = |count: u64| (count as f64 * 3600.0 / IDLE.as_secs_f64()).round() as u64;
    let idle = (hourly(after.0 - before.0), hourly(after.1 - before.1));
    let runs: Vec<u64> = stage.github.world(|world| world.runs.keys().copied().collect());
    for run in runs {
        stage.github.world(|world| world.approve(run, "prod", "mona", "go ahead").unwrap());
        pause(&mut child, &mut used, fast(approvals) / u32::try_from(deployments).unwrap());
    }
    until(&stage, &mut child, &mut used, |_| false);
    let ended = stage.wait(child);
    ended.expect("succeeded", 0);
    assert_eq!(ended.output("succeeded"), deployments.to_string());
    let shown = shown(&stage);
    Cost { deployments, whole: requests(&stage), idle, shown, used }
}

/// Waits for something, or for the end of the process.
fn until(stage: &Stage, child: &mut Child, used: &mut Used, what: impl Fn(&Stage) -> bool) {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() && !what(stage) {
        pause(child, used, Duration::from_millis(20));
        assert!(begin.elapsed() < Duration::from_secs(400), "it never came:\n{}", stage.log());
    }
}

/// Waits, and looks at the process meanwhile: its last figures are those of its end.
fn pause(child: &mut Child, used: &mut Used, time: Duration) {
    let begin = Instant::now();
    loop {
        look(child.id(), used);
        let left = time.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(20)));
    }
}

/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn look(process: u32, used: &mut Used) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        used.peak = format!("{:.1} MB", kilobytes * 1024.0 / 1e6);
    }
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let Some((_, fields)) = stat.rsplit_once(')') else { return };
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    // A tick is a hundredth of a second on every Linux of today.
    used.processor = used.processor.max(Duration::from_millis(ticks.sum::<u64>() * 10));
}

/// Counted requests and free ones.
fn requests(stage: &Stage) -> (u64, u64) {
    stage.github.world(|world| {
        let counts = world.limits.request_counts().values();
        counts.fold((0, 0), |(counted, free), count| (counted + count.counted, free + count.free))
    })
}

/// How long the comment took after each look that led to its being written.
fn shown(stage: &Stage) -> (Millis, Millis) {
    let mut took = stage.github.world(|world| {
        let mut looked = None;
        let mut took = Vec::new();
        for exchange in &world.exchanges {
            match (exchange.method.as_str(), exchange.status) {
                ("GET", 200) if exchange.path.ends_with("/runs") => looked = looked.or(Some(exchange.at)),
                // A pass begins with its first list.
                ("GET", 304) if exchange.path.ends_with("/runs") => {}
                ("PATCH", 200) => took.extend(looked.take().map(|looked| exchange.at - looked)),
                _ => {}
            }
        }
        took
    });
    took.sort_unstable();
    (took.get(took.len() / 2).copied().unwrap_or_default(), took.last().copied().unwrap_or_default())
}

/// From the start of the process to its first dispatch: requests, and how many of them come after each other,
/// which is told by making each of them slow. In real time: what a process does depends on how long its writes take.
fn first_dispatch() {
    const SLOW: Duration = Duration::from_millis(200);
    let measured = |config: bool, slow: Option<Duration>| {
        let mut stage = many(10);
        stage.set("DEPLOYMENT_APPROVALS_HURRY", "1");
        let begun = stage.github.world(|world| {
            if config {
                world.file(".github/deployments.yml", "version: 1\n");
            }
            if let Some(slow) = slow {
                world.faults.always(When::any(), Fault::HangAfter(slow));
            }
            world.now()
        });
        let mut child = stage.spawn();
        stage.until("the first dispatch", |world| !world.dispatches().is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        stage.github.world(|world| (world.dispatches()[0].at - begun, world.dispatches()[0].request - 1))
    };
    for (config, told) in [(true, "with a config file that is not checked out"), (false, "without a config file")] {
        let (quick, requests) = measured(config, None);
        let (slow, _) = measured(config, Some(SLOW));
        let depth = (slow - quick) as f64 / SLOW.as_millis() as f64;
        println!(
            "start to first dispatch, {told}: {quick} ms, {requests} requests, {depth:.0} of them one after the other"
        );
    }
}

/// The start of the process alone.
fn cold_start() {
    let mut took: Vec<Duration> = (0..30)
        .map(|_| {
            let begin = Instant::now();
            let mut command = Command::new(env!("CARGO_BIN_EXE_deployment-approvals"));
            assert!(command.arg("--version").stdout(Stdio::null()).status().unwrap().success());
            begin.elapsed()
        })
        .collect();
    took.sort_unstable();
    println!("cold start: {:.1} ms (median of {})", took[took.len() / 2].as_secs_f64() * 1000.0, took.len());
}
