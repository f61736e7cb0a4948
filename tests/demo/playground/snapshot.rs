//! All that the page shows at one moment, as one JSON document. What is said there in words is said here.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulated_github::{Gate, Job as RunJob, Millis, Phase, Reviewer, Run, World, stamp};

use super::{
    play::Play,
    rendered::{Place, html},
};
use crate::{
    runner::Runner,
    world::{names, rule},
};

/// The end of the log that is shown, in bytes.
const LOG: usize = 200_000;

/// Who acts for a team of which the world knows no members.
const MEMBER: &str = "kit";

/// Makes snapshots; Markdown that did not change is not rendered again.
#[derive(Default)]
pub struct Painter {
    comment: Rendered,
    summary: Rendered,
}

#[derive(Default)]
struct Rendered {
    markdown: String,
    html: String,
}

impl Rendered {
    fn of(&mut self, markdown: &str, place: Place) -> &str {
        if self.markdown != markdown {
            markdown.clone_into(&mut self.markdown);
            self.html = html(markdown, place);
        }
        &self.html
    }
}

impl Painter {
    /// Lets happen what is due, and shows what there is then.
    pub fn paint(&mut self, play: &mut Play) -> String {
        play.tick();
        let runner = &play.job.runner;
        let summary = runner.read("summary.md");
        let summary = self.summary.of(&summary, Place::Summary);
        let number = play.number;
        let mut page = play.github.world(|world| {
            let comment = world.sticky(number).map_or(Value::Null, |sticky| {
                let edited = world.comment_history().iter().filter(|change| change.comment == sticky.id).count() > 1;
                json!({
                    "author": sticky.author.login, "created": minute(sticky.created), "edited": edited,
                    "html": self.comment.of(&sticky.body, Place::Comment),
                })
            });
            json!({
                "repository": world.full_name(),
                "pull": pull(world, number),
                "now": minute(world.now()),
                "speed": world.clock.speed(),
                "again": play.again,
                "comment": comment,
                "environments": world.environments.iter().map(|one| json!({"name": one.name, "rule": rule(one)})).collect::<Vec<_>>(),
                "runs": world.runs.values().map(|one| run(world, one)).collect::<Vec<_>>(),
                "requests": requests(world),
                "violations": world.violations,
            })
        });
        page["summary"] = summary.into();
        page["log"] = log(runner).into();
        page["outputs"] = outputs(runner).into();
        page["job"] = json!({
            "phase": play.job.phase().word(), "attempt": runner.attempt,
            "tells": play.trouble.as_deref().unwrap_or(play.job.tells()),
        });
        page.to_string()
    }
}

/// `2026-03-02 09:00 UTC`
fn minute(at: Millis) -> String {
    let stamp = stamp(at);
    let (date, time) = stamp.split_once('T').unwrap_or((&stamp, ""));
    format!("{date} {} UTC", time.get(..5).unwrap_or(time))
}

fn pull(world: &World, number: u64) -> Value {
    let Some(pull) = world.pulls.get(&number) else { return Value::Null };
    let (state, by) = match (&pull.merged, pull.closed) {
        (Some(merge), _) => ("Merged", Some(&merge.by.login)),
        (None, Some(_)) => ("Closed", None),
        (None, None) => ("Open", None),
    };
    json!({
        "number": number, "title": pull.title, "author": pull.author.login, "state": state, "by": by,
        "base": pull.base_ref, "head": pull.head_ref,
    })
}

fn run(world: &World, run: &Run) -> Value {
    let waiting = run.jobs.iter().filter(|job| job.phase == Phase::Waiting);
    let mut seen = BTreeSet::new();
    let gates = waiting.filter_map(|job| job.gate.as_ref()).filter(|gate| seen.insert(gate.environment.clone()));
    let reviews = run.reviews.iter().map(|review| {
        json!({
            "user": review.user.login, "state": review.state.word(), "comment": review.comment,
            "environments": review.environments,
        })
    });
    let failed = run.jobs.iter().find_map(|job| job.failed_step.as_ref().map(|step| format!("{} / {step}", job.name)));
    json!({
        // As text: the page shall not do sums with it.
        "id": run.id.to_string(), "title": run.title, "attempt": run.attempt,
        "status": run.status(), "conclusion": run.conclusion(), "began": minute(run.created),
        "at-work": run.jobs.iter().any(|job: &RunJob| job.phase == Phase::Running),
        "inputs": run.inputs.0.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>(),
        "gates": gates.map(|one| gate(world, one)).collect::<Vec<_>>(),
        "reviews": reviews.collect::<Vec<_>>(), "failed": failed,
    })
}

fn gate(world: &World, gate: &Gate) -> Value {
    let reviewers = world.find_environment(&gate.environment).map(|one| one.reviewers.as_slice()).unwrap_or_default();
    let people = reviewers.iter().map(|reviewer| match reviewer {
        Reviewer::User(user) => json!({"login": user.login, "called": user.login}),
        Reviewer::Team(slug) => json!({"login": MEMBER, "called": format!("{MEMBER} of team {slug}")}),
    });
    json!({
        "environment": gate.environment, "since": minute(gate.opened), "asks": names(reviewers),
        "reviewed": !gate.needs_review, "timer": gate.timer_ends.map(minute), "people": people.collect::<Vec<_>>(),
    })
}

fn requests(world: &World) -> String {
    let (mut counted, mut free) = (0, 0);
    for count in world.limits.request_counts().values() {
        counted += count.counted;
        free += count.free;
    }
    format!(
        "{counted} requests of the {} an hour, {} of them dispatches; {free} more were free",
        world.limits.limit,
        world.dispatches().len()
    )
}

fn log(runner: &Runner) -> String {
    let log = runner.read("log.txt");
    let from = log.len().saturating_sub(LOG);
    let from = (from..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or_default();
    log.get(from..).unwrap_or_default().to_owned()
}

fn outputs(runner: &Runner) -> String {
    let value = |name: &str| runner.output(name).unwrap_or_default();
    let counts = ["succeeded", "failed", "rejected", "cancelled", "skipped", "pending"];
    match value("result").as_str() {
        "" => String::new(),
        result => {
            let counts = counts.map(|name| format!("{name} {}", value(name)));
            format!("result {result}: {}", counts.join(", "))
        }
    }
}
