//! What goes wrong, and when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::wire::Request;

/// A request as it arrives.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Counted from 1, in the order of arrival, over the world's whole life.
    pub number: u64,
    /// The path template of GitHub's OpenAPI description.
    pub route: Option<&'static str>,
    pub request: Request,
}

type Test = Arc<dyn Fn(&RequestInfo) -> bool + Send + Sync>;

/// Which requests are meant. Conditions add up.
#[derive(Clone, Default)]
pub struct When {
    method: Option<&'static str>,
    route: Option<String>,
    number: Option<u64>,
    test: Option<Test>,
    skipped: u64,
}

impl When {
    /// Every request.
    pub fn any() -> When {
        When::default()
    }

    /// The n-th request of all, counted from 1.
    pub fn request(number: u64) -> When {
        When { number: Some(number), ..When::default() }
    }

    /// By method and path template, such as `/repos/{owner}/{repo}/actions/runs`; its end is enough: `/dispatches`.
    pub fn route(method: &'static str, route: &str) -> When {
        When { method: Some(method), route: Some(route.to_owned()), ..When::default() }
    }

    pub fn get(route: &str) -> When {
        When::route("GET", route)
    }

    pub fn post(route: &str) -> When {
        When::route("POST", route)
    }

    pub fn patch(route: &str) -> When {
        When::route("PATCH", route)
    }

    /// From the n-th request that is meant on, counted from 1.
    pub fn nth(mut self, n: u64) -> When {
        self.skipped = n.saturating_sub(1);
        self
    }

    /// Only those of which this is true.
    pub fn and(mut self, test: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static) -> When {
        self.test = Some(Arc::new(test));
        self
    }

    fn means(&self, info: &RequestInfo) -> bool {
        let route = info.route.unwrap_or(&info.request.path);
        self.method.is_none_or(|m| m == info.request.method)
            && self.route.as_ref().is_none_or(|r| route.ends_with(r.as_str()))
            && self.number.is_none_or(|n| n == info.number)
            && self.test.as_ref().is_none_or(|test| test(info))
    }

    /// Counts down; true from the n-th on.
    pub(crate) fn comes_up(&mut self, info: &RequestInfo) -> bool {
        let meant = self.means(info);
        let skipped = meant && self.skipped > 0;
        self.skipped -= u64::from(skipped);
        meant && !skipped
    }
}

impl From<u64> for When {
    fn from(number: u64) -> When {
        When::request(number)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When").field("route", &self.route).field("number", &self.number).finish_non_exhaustive()
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer, and no effect.
    Status(u16, Value),
    /// The load balancer's page, and no effect: a dispatch is lost.
    Html502,
    /// The load balancer's page, after the effect.
    EffectThen502,
    /// The connection is reset, and no effect: a dispatch is lost.
    ResetBefore,
    /// The connection is reset after the effect.
    ResetAfter,
    /// The first half of the body, then a reset; after the effect.
    Truncated,
    /// The first half of the body as if it were the whole, after the effect.
    Halved,
    /// No body at all, after the effect.
    Empty,
    /// The page of something that stands before GitHub, with 200, and no effect: a dispatch is lost.
    Page,
    /// These fields are left out of the JSON, wherever they are; after the effect.
    Without(&'static [&'static str]),
    HangBefore(Duration),
    /// Also merely slow: the answer does come.
    HangAfter(Duration),
    NotFound,
    SecondaryLimit {
        retry_after: Option<u64>,
        status: u16,
    },
    /// 304 though it has changed.
    NotModified,
    /// The newest answer to the same question that is at least so old.
    Stale(Duration),
    /// A page after the first repeats the page before it.
    RepeatedPage,
    /// A list in reverse.
    Reordered,
    /// The run made by this dispatch cannot be seen for so long.
    HideRun(Duration),
}

impl Fault {
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Status(..) => "status",
            Fault::Html502 => "html-502",
            Fault::EffectThen502 => "effect-then-502",
            Fault::ResetBefore => "reset-before",
            Fault::ResetAfter => "reset-after",
            Fault::Truncated => "truncated",
            Fault::Halved => "halved",
            Fault::Empty => "empty",
            Fault::Page => "page",
            Fault::Without(_) => "without",
            Fault::HangBefore(_) => "hang-before",
            Fault::HangAfter(_) => "hang-after",
            Fault::NotFound => "not-found",
            Fault::SecondaryLimit { .. } => "secondary-limit",
            Fault::NotModified => "not-modified",
            Fault::Stale(_) => "stale",
            Fault::RepeatedPage => "repeated-page",
            Fault::Reordered => "reordered",
            Fault::HideRun(_) => "hide-run",
        }
    }
}

/// The faults to come.
#[derive(Debug, Default)]
pub struct Faults(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    when: When,
    fault: Fault,
    left: u64,
}

impl Faults {
    /// Once, at the first request that is meant.
    pub fn once(&mut self, when: impl Into<When>, fault: Fault) {
        self.times(1, when, fault);
    }

    /// So many times in a row.
    pub fn times(&mut self, times: u64, when: impl Into<When>, fault: Fault) {
        self.0.push(Rule { when: when.into(), fault, left: times });
    }

    /// Whenever it is meant.
    pub fn always(&mut self, when: impl Into<When>, fault: Fault) {
        self.times(u64::MAX, when, fault);
    }

    /// GitHub is well again.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault for this request: the first rule's that comes up.
    pub(crate) fn strike(&mut self, info: &RequestInfo) -> Option<Fault> {
        let mut struck = None;
        for rule in self.0.iter_mut().filter(|rule| rule.left > 0) {
            if rule.when.comes_up(info) && struck.is_none() {
                rule.left -= 1;
                struck = Some(rule.fault.clone());
            }
        }
        struck
    }
}
