//! The witness: what has happened on GitHub since the last look, from the world's own memory.

use std::collections::BTreeMap;

use simulated_github::{Done, Gate, Millis, Phase, Review, ReviewState, Run, World};

use crate::world::names;

/// Something worth telling.
#[derive(Debug)]
pub enum Happening {
    /// What a person did.
    Person(String),
    /// What the action or GitHub did.
    Github(String),
    /// The sticky comment, as it is now.
    Comment(String),
}

/// Remembers what was told already.
pub struct Witness {
    pull_request: u64,
    comments: usize,
    runs: BTreeMap<u64, Seen>,
}

#[derive(Default)]
struct Seen {
    dispatched: bool,
    waiting: bool,
    reviews: usize,
    ended: bool,
}

impl Witness {
    /// A witness of one pull request, who has seen nothing yet.
    pub fn of(pull_request: u64) -> Self {
        Self { pull_request, comments: 0, runs: BTreeMap::new() }
    }

    /// All that is new, in the order in which it happened.
    pub fn look(&mut self, world: &World) -> Vec<Happening> {
        let history = world.comment_history();
        let changes = history.iter().skip(self.comments);
        let ours = changes.filter(|change| change.issue == self.pull_request && change.done != Done::Deleted);
        let mut news: Vec<(Millis, Happening)> =
            ours.map(|change| (change.at, Happening::Comment(change.body.clone()))).collect();
        self.comments = history.len();
        for run in world.runs.values() {
            self.runs.entry(run.id).or_default().look(world, run, &mut news);
        }
        news.sort_by_key(|(at, _)| *at);
        news.into_iter().map(|(_, happening)| happening).collect()
    }
}

impl Seen {
    fn look(&mut self, world: &World, run: &Run, news: &mut Vec<(Millis, Happening)>) {
        let name = name(run);
        let mut github = |at: Millis, text: String| news.push((at, Happening::Github(text)));
        if !std::mem::replace(&mut self.dispatched, true) {
            github(run.created, format!("the action dispatches {name}: run {}", run.id));
        }
        let gates = run.jobs.iter().filter(|job| job.phase == Phase::Waiting).filter_map(|job| job.gate.as_ref());
        let gates: Vec<&Gate> = gates.collect();
        for gate in gates.iter().filter(|_| !self.waiting) {
            let environment = &gate.environment;
            let reviewers = world.find_environment(environment).map(|found| names(&found.reviewers));
            github(gate.opened, format!("GitHub pauses {name}: {environment} asks {}", reviewers.unwrap_or_default()));
        }
        self.waiting = !gates.is_empty();
        let reviews = run.reviews.iter().skip(self.reviews);
        news.extend(reviews.map(|review| (run.updated, Happening::Person(decision(review, &name)))));
        self.reviews = run.reviews.len();
        if let Some(conclusion) = run.conclusion().filter(|_| !self.ended) {
            news.push((run.updated, Happening::Github(format!("the run of {name} ends: {conclusion}"))));
        }
        self.ended = run.conclusion().is_some();
    }
}

fn decision(review: &Review, name: &str) -> String {
    let verb = match review.state {
        ReviewState::Approved => "approves",
        ReviewState::Rejected => "rejects",
    };
    let words = match review.comment.as_str() {
        "" => String::new(),
        words => format!(": “{words}”"),
    };
    format!("{} {verb} {name} → {}{words}", review.user.login, review.environments.join(", "))
}

/// `vpc in plat-use2-prod`, or the run's title where its inputs do not say.
fn name(run: &Run) -> String {
    match (&run.inputs["component"], &run.inputs["stack"]) {
        ("", _) => format!("“{}”", run.title),
        (component, "") => component.to_owned(),
        (component, stack) => format!("{component} in {stack}"),
    }
}
