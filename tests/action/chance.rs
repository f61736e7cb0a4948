//! Random worlds: what is drawn, from a seed that a failing test prints.

use std::time::Duration;

use serde_json::{Value, json};
use simulated_github::Fault;

/// A small generator of our own, so that a seed means the same world for ever (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end as u64).unwrap()
    }

    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, likely: usize) -> bool {
        self.below(100) < likely
    }
}

/// The seeds to play: so many as `WORLDS` says, else the default; or the one that `SEED` names.
pub fn seeds(default: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("WORLDS").unwrap_or(default)).collect(),
    }
}

/// What a reviewer does about each try of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Approve,
    Reject,
    /// Nobody looks until the last act.
    Never,
}

/// One deployment, and what will become of it.
#[derive(Debug, Clone)]
pub struct Part {
    pub needs: Vec<usize>,
    pub gated: bool,
    /// Of the first try, and of all later ones.
    pub decisions: [Decision; 2],
    /// How a run that is let through ends.
    pub ends: [&'static str; 2],
}

/// One process, or two.
#[derive(Debug, Clone)]
pub enum Act {
    /// The job, or its next attempt; killed after so many requests of its own.
    Job { killed: Option<(u64, bool)> },
    /// Another run that makes one pass and goes.
    Pass,
    /// The job's next attempt, and meanwhile another run of the same workflow.
    Both { wait: bool },
}

/// What happens to the comment.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    Deleted,
    /// A person adds words in its midst.
    Edited,
    /// A person breaks the state.
    Damaged,
}

/// Everything about one world.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub parts: Vec<Part>,
    pub max_parallel: usize,
    pub acts: Vec<Act>,
    /// At which request of all.
    pub faults: Vec<(u64, Fault)>,
    pub deeds: Vec<(u64, Deed)>,
}

const CONCLUSIONS: [&str; 8] =
    ["success", "success", "success", "success", "failure", "cancelled", "timed_out", "a_word_of_2031"];

pub fn draw(seed: u64) -> Drawn {
    let mut chance = Chance::new(seed);
    let parts = (0..1 + chance.below(6)).map(|index| part(&mut chance, index)).collect();
    let max_parallel = chance.below(4);
    let acts = (0..1 + chance.below(3)).map(|_| act(&mut chance)).collect();
    let faults = (0..chance.below(4)).map(|_| (1 + chance.draw() % 60, fault(&mut chance))).collect();
    let deeds = if chance.percent(35) {
        vec![(8 + chance.draw() % 50, chance.one_of(&[Deed::Deleted, Deed::Edited, Deed::Damaged]))]
    } else {
        Vec::new()
    };
    Drawn { parts, max_parallel, acts, faults, deeds }
}

fn part(chance: &mut Chance, index: usize) -> Part {
    use Decision::{Approve, Never, Reject};
    let mut needs: Vec<usize> = (0..chance.below(3)).filter(|_| index > 0).map(|_| chance.below(index)).collect();
    needs.sort_unstable();
    needs.dedup();
    let decisions = [(); 2].map(|()| chance.one_of(&[Approve, Approve, Approve, Approve, Reject, Never]));
    Part { needs, gated: chance.percent(40), decisions, ends: [(); 2].map(|()| chance.one_of(&CONCLUSIONS)) }
}

fn act(chance: &mut Chance) -> Act {
    match chance.below(6) {
        0 => Act::Pass,
        1 => Act::Both { wait: chance.percent(50) },
        2 => Act::Job { killed: None },
        _ => Act::Job { killed: Some((1 + chance.draw() % 45, chance.percent(50))) },
    }
}

fn fault(chance: &mut Chance) -> Fault {
    chance.one_of(&[
        Fault::Status(500, json!({"message": "Server Error"})),
        Fault::Html502,
        Fault::EffectThen502,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Truncated,
        Fault::SecondaryLimit { retry_after: Some(1), status: 403 },
        Fault::SecondaryLimit { retry_after: None, status: 429 },
        Fault::NotModified,
        Fault::Stale(Duration::from_millis(100)),
        Fault::Reordered,
        Fault::RepeatedPage,
        Fault::HideRun(Duration::from_millis(300)),
    ])
}

/// The list that the action is given.
pub fn list(drawn: &Drawn) -> Value {
    let item = |(index, part): (usize, &Part)| {
        let needs: Vec<String> = part.needs.iter().map(|need| format!("c{need}")).collect();
        let environment = if part.gated { "prod" } else { "dev" };
        json!({
            "component": format!("c{index}"), "stack": "plat", "environment": environment,
            "workflow": "atmos-terraform-apply.yaml", "needs": needs,
            "inputs": {"component": format!("c{index}"), "stack": "plat", "github_environment": environment},
        })
    };
    Value::Array(drawn.parts.iter().enumerate().map(item).collect())
}
