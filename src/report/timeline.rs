//! When was what: a Mermaid gantt of blocked, queued, waiting and running. What is not known, and what is too
//! short to be seen, is not drawn.
//!
//! Foreign names stand in section titles only; a task's name is a word of ours, so that none can be read as a
//! keyword. No colour is set, and each bar says what it is. Of Mermaid's tags only those are used whose names can be
//! read in the dark beside a bar that is too short for them.
//! <https://mermaid.js.org/syntax/gantt.html>

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{View, escape, fold, words};
use crate::{
    rollout::{Deployment, Progress, Status},
    run::Time,
};

/// Deployments of a timeline that can still be read.
const MOST: usize = 30;
/// Of these, so many are open.
const MOST_OPEN: usize = 10;

/// One bar.
struct Bar {
    word: &'static str,
    /// What it came to, where that was not success.
    end: &'static str,
    /// How Mermaid draws it.
    tag: &'static str,
    from: Time,
    to: Time,
}

/// The timeline, in at most `room` bytes; empty where nothing was dispatched yet.
pub fn timeline(view: &View<'_>, room: usize) -> String {
    let all: Vec<(&Deployment, Vec<Bar>)> =
        view.rows().map(|(deployment, standing)| (deployment, bars(view, deployment, standing.status))).collect();
    let drawn: Vec<&(&Deployment, Vec<Bar>)> = all.iter().filter(|(_, bars)| !bars.is_empty()).collect();
    let shown = drawn.get(..MOST).unwrap_or(&drawn);
    let from = shown.iter().flat_map(|(_, bars)| bars).map(|bar| bar.from).min();
    let to = shown.iter().flat_map(|(_, bars)| bars).map(|bar| bar.to).max();
    let (Some(from), Some(to)) = (from, to) else {
        return String::new();
    };
    let axis = match (to - from).num_minutes() {
        ..10 => "%H:%M:%S",
        10..1440 => "%H:%M",
        _ => "%m-%d %H:%M",
    };
    let mut text = format!(
        "```mermaid\n%%{{init: {{\"gantt\": {{\"leftPadding\": 170, \"rightPadding\": 20}}}}}}%%\ngantt\n  accTitle: What each deployment did when\n  dateFormat YYYY-MM-DD HH:mm:ss\n  axisFormat {axis}\n  \
         todayMarker off\n"
    );
    let mut titles = BTreeMap::<String, usize>::new();
    for (deployment, bars) in shown {
        let planned = &deployment.planned;
        let place = planned.stack.as_ref().unwrap_or(&planned.environment);
        // Both names are cut to what fits left of the bars.
        let [name, place] = [&planned.component, place].map(|name| escape::mermaid(&escape::short(name, 24)));
        let title = format!("{name}<br>{place}");
        // Sections of one name would be one: a number tells them apart.
        let count = titles.entry(title.clone()).and_modify(|count| *count += 1).or_insert(1);
        let number = if *count > 1 { format!(" ({count})") } else { String::new() };
        text.push_str(&format!("  section {title}{number}\n"));
        for bar in bars.iter().filter(|bar| bars.len() == 1 || (bar.to - bar.from) * 100 > to - from) {
            let [from, to] = [bar.from, bar.to].map(|time| time.format("%Y-%m-%d %H:%M:%S"));
            let length = words::span(bar.to - bar.from);
            text.push_str(&format!("    {} {length}{} : {}{from}, {to}\n", bar.word, bar.end, bar.tag));
        }
    }
    text.push_str("```\n");
    if drawn.len() > shown.len() {
        text.push_str(&format!("\nand {} more: see the table\n", drawn.len() - shown.len()));
    }
    let section = fold::details("Timeline (UTC)", shown.len() <= MOST_OPEN, &text);
    if section.len() <= room { section } else { String::new() }
}

/// The bars of one deployment, one after the other, each from a moment that is known to the next.
fn bars(view: &View<'_>, deployment: &Deployment, status: Status) -> Vec<Bar> {
    let (dispatched, end) = match &deployment.progress {
        Progress::Planned => return Vec::new(),
        Progress::Intended { at, .. } => (*at, view.now),
        Progress::Followed(_) => (deployment.started_at.unwrap_or(view.now), view.now),
        Progress::Ended { at, .. } => (deployment.started_at.unwrap_or(*at), *at),
    };
    let ended = matches!(deployment.progress, Progress::Ended { .. });
    let queued = match (deployment.running_since, deployment.waiting_since) {
        // It ended between two looks: what it did in the meantime is not known.
        (None, None) if ended => "queued, then running",
        _ => "queued",
    };
    let mut marks = vec![("blocked", view.rollout.started_at), (queued, dispatched)];
    marks.extend(deployment.waiting_since.map(|since| ("waiting", since)));
    marks.extend(deployment.running_since.map(|since| ("running", since)));
    marks.sort_by_key(|(_, from)| *from);
    let ends = marks.iter().skip(1).map(|(_, from)| *from).chain([end]).collect::<Vec<_>>();
    let bars = marks.into_iter().zip(ends).map(|((word, from), to)| {
        let tag = if matches!(word, "blocked" | "waiting") { "done, " } else { "" };
        Bar { word, end: "", tag, from, to }
    });
    let (mut bars, empty): (Vec<Bar>, Vec<Bar>) = bars.partition(|bar| bar.to > bar.from);
    if bars.is_empty() {
        // All of it within a second: it is shown all the same.
        bars.extend(empty.into_iter().next_back().map(|bar| Bar { to: bar.from + TimeDelta::seconds(1), ..bar }));
    }
    let bad = status.finished() && !matches!(status, Status::Succeeded | Status::Skipped);
    if let Some(last) = bars.last_mut().filter(|_| bad) {
        last.end = match status {
            Status::Rejected => ", then rejected",
            Status::Cancelled => ", then cancelled",
            Status::TimedOut => ", then timed-out",
            Status::Expired => ", then expired",
            Status::Lost => ", then lost",
            _ => ", then failed",
        };
        last.tag = "done, crit, ";
    }
    bars
}
