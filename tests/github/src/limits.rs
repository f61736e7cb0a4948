//! The primary rate limit. <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::{Millis, millis};
use crate::wire::Answer;

/// GITHUB_TOKEN's budget, shared by all of a repository's workflows.
#[derive(Debug, Clone)]
pub struct Limits {
    pub limit: u64,
    pub used: u64,
    pub window: Duration,
    /// When the present window ends; none before the first request.
    pub reset: Option<Millis>,
    counts: BTreeMap<(String, String), Count>,
}

/// How often one endpoint was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Paid from the budget.
    pub counted: u64,
    /// 304s, `/rate_limit`, and what never got an answer of GitHub's own.
    pub free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { limit: 1_000, used: 0, window: Duration::from_secs(3_600), reset: None, counts: BTreeMap::new() }
    }
}

impl Limits {
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Others of the repository use up the budget, but for `left`.
    pub fn leave(&mut self, left: u64) {
        self.used = self.limit.saturating_sub(left);
    }

    pub(crate) fn begin_window(&mut self, now: Millis) {
        if self.reset.is_none_or(|reset| reset <= now) {
            if self.reset.is_some() {
                self.used = 0;
            }
            self.reset = Some(now + millis(self.window));
        }
    }

    pub(crate) fn note(&mut self, method: &str, route: &str, counted: bool) {
        self.used += u64::from(counted);
        let count = self.counts.entry((method.to_owned(), route.to_owned())).or_default();
        count.counted += u64::from(counted);
        count.free += u64::from(!counted);
    }

    /// By method and the description's path template; what is not served is under `unknown`.
    pub fn request_counts(&self) -> &BTreeMap<(String, String), Count> {
        &self.counts
    }

    pub(crate) fn stamp(&self, answer: Answer) -> Answer {
        let reset = self.reset.unwrap_or_default().div_euclid(1000);
        answer
            .with("x-ratelimit-limit", self.limit.to_string())
            .with("x-ratelimit-remaining", self.remaining().to_string())
            .with("x-ratelimit-used", self.used.to_string())
            .with("x-ratelimit-reset", reset.to_string())
            .with("x-ratelimit-resource", "core")
    }

    /// The answer when nothing is left.
    pub(crate) fn exceeded() -> Answer {
        let message = "API rate limit exceeded for installation ID 41898282.";
        let url = "/overview/rate-limits-for-the-rest-api";
        Answer::error(403, message, url)
    }

    /// `GET /rate_limit`, which is free.
    pub(crate) fn overview(&self) -> Value {
        let reset = self.reset.unwrap_or_default().div_euclid(1000);
        let one = |limit: u64, used: u64| json!({"limit": limit, "used": used, "remaining": limit.saturating_sub(used), "reset": reset});
        let core = one(self.limit, self.used);
        json!({
            "resources": {"core": core, "search": one(30, 0), "graphql": one(self.limit, 0)},
            "rate": core,
        })
    }
}
