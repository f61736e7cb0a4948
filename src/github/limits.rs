//! GitHub's limits: obeying them, and keeping clear of them.
//!
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>

use std::{collections::VecDeque, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use crate::tempo::Tempo;

/// What a request does, as far as limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It reads.
    Read,
    /// It writes something small: a comment, a cancellation.
    Write,
    /// It dispatches.
    Dispatch,
}

/// Writes that may follow each other at once.
const BURST: u32 = 10;
/// Writes in an hour.
const HOURLY: usize = 500;
/// Of these, what dispatches may take, so that the comment can still be kept true.
const HOURLY_DISPATCHES: usize = 420;
/// Once those are used up, edits of the comment that can wait come so often in an hour. What cannot wait (an end, last
/// words) still finds a place.
const HOURLY_EDITS: u32 = 60;

/// Seconds that are waited for at most, whatever is asked.
const LONGEST: u64 = 3600;

/// Paces writes: at once for a burst, then one by one, and never more than GitHub allows in an hour.
#[derive(Debug)]
pub struct Pace {
    between: Duration,
    hour: Duration,
    /// The moment at which the burst will be whole again.
    whole_at: Option<Instant>,
    recent: VecDeque<Instant>,
}

impl Pace {
    /// A pace with nothing behind it.
    pub fn new(tempo: Tempo) -> Self {
        Self {
            between: tempo.between_writes,
            hour: tempo.scaled(Duration::from_secs(3600)),
            whole_at: None,
            recent: VecDeque::new(),
        }
    }

    /// Takes a place for a request of this kind at `now`, or says how long to wait before asking again.
    pub fn admit(&mut self, kind: Kind, now: Instant) -> Option<Duration> {
        if kind == Kind::Read {
            return None;
        }
        self.forget(now);
        let most = if kind == Kind::Dispatch { HOURLY_DISPATCHES } else { HOURLY };
        if let Some(first) = self.recent.front().filter(|_| self.recent.len() >= most) {
            return Some(self.hour.saturating_sub(now.duration_since(*first)));
        }
        let whole_at = self.whole_at.filter(|at| *at > now).unwrap_or(now);
        let debt = whole_at + self.between;
        let allowed = now + self.between * BURST;
        if debt > allowed {
            return Some(debt - allowed);
        }
        self.whole_at = Some(debt);
        self.recent.push_back(now);
        None
    }

    /// How many dispatches the hour has room for at `now`, beside the edit that writes their intent down.
    pub fn room(&mut self, now: Instant) -> usize {
        self.forget(now);
        HOURLY_DISPATCHES.saturating_sub(self.recent.len() + 1)
    }

    /// Whether an edit that can wait should be made at `now`.
    pub fn spares_an_edit(&mut self, now: Instant) -> bool {
        let rested = self.recent.back().is_none_or(|last| now.duration_since(*last) >= self.hour / HOURLY_EDITS);
        self.room(now) > 0 || rested
    }

    /// What is more than an hour old no longer counts.
    fn forget(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|first| now.duration_since(*first) >= self.hour) {
            self.recent.pop_front();
        }
    }
}

/// What GitHub last said of the primary limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budget {
    /// Requests an hour.
    pub limit: Option<u64>,
    /// What is left of them.
    pub remaining: Option<u64>,
    /// When the hour ends.
    pub reset_in: Option<Duration>,
}

impl Budget {
    /// How many requests there are beside a reserve for others. No limit is no bound, nor is one of an hour that is
    /// over.
    pub fn spare(&self, reserve: u64) -> usize {
        let over = self.reset_in.is_none_or(|left| left.is_zero());
        let spare = self.remaining.filter(|_| !over).map(|remaining| remaining.saturating_sub(reserve));
        spare.map_or(usize::MAX, |spare| usize::try_from(spare).unwrap_or(usize::MAX))
    }

    /// Reads the headers of an answer.
    pub fn note(&mut self, headers: &HeaderMap) {
        if header(headers, "x-ratelimit-resource").is_some_and(|resource| resource != "core") {
            return;
        }
        if let Some(remaining) = number(headers, "x-ratelimit-remaining") {
            self.remaining = Some(remaining);
            self.limit = number(headers, "x-ratelimit-limit");
            self.reset_in = until_reset(headers);
        }
    }
}

/// Whether an answer is a limit's, primary or secondary.
pub fn is_limit(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    if status != StatusCode::FORBIDDEN && status != StatusCode::TOO_MANY_REQUESTS {
        return false;
    }
    let text = String::from_utf8_lossy(body).to_lowercase();
    status == StatusCode::TOO_MANY_REQUESTS
        || headers.contains_key("retry-after")
        || number(headers, "x-ratelimit-remaining") == Some(0)
        || text.contains("rate limit")
        || text.contains("abuse detection")
}

/// How long a limit's answer asks to wait, where it says so.
pub fn asked(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers).or_else(|| {
        (number(headers, "x-ratelimit-remaining") == Some(0)).then_some(())?;
        Some(until_reset(headers)? + Duration::from_secs(1))
    })
}

/// `retry-after`, in seconds or as a date; never more than the hour after which every limit is over.
/// <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let until = |date: &str| {
        let date = DateTime::parse_from_rfc2822(date).ok()?;
        Some(u64::try_from(date.timestamp().saturating_sub(clock(headers))).unwrap_or(0))
    };
    let seconds = number(headers, "retry-after").or_else(|| until(header(headers, "retry-after")?))?;
    Some(Duration::from_secs(seconds.min(LONGEST)))
}

/// The pauses after one answer after another that was of no use. Each is at least what GitHub asks, at least what the
/// times before call for, and a little longer by chance, so that jobs that were held up together do not come back
/// together.
pub struct Pauses {
    tempo: Tempo,
    broken: Growing,
    limited: Growing,
}

type Growing = <ExponentialBuilder as BackoffBuilder>::Backoff;

impl Pauses {
    /// With nothing behind them.
    pub fn new(tempo: Tempo) -> Self {
        Self {
            tempo,
            broken: growing(tempo.retry_first, tempo.retry_most),
            // A limit that tells no time is waited for longer and longer, as GitHub asks.
            limited: growing(tempo.limited, tempo.limited * 16),
        }
    }

    /// After an answer that is broken, or none.
    pub fn broken(&mut self, asked: Option<Duration>) -> Duration {
        let grown = self.broken.next().unwrap_or(self.tempo.retry_most);
        asked.map_or(grown, |asked| self.somewhat_more(asked).max(grown))
    }

    /// After an answer of a limit.
    pub fn limited(&mut self, asked: Option<Duration>) -> Duration {
        match asked {
            Some(_) => self.broken(asked),
            None => self.limited.next().unwrap_or(self.tempo.limited * 16),
        }
    }

    fn somewhat_more(&self, asked: Duration) -> Duration {
        let asked = self.tempo.scaled(asked);
        let share = (asked / 20).clamp(Duration::from_millis(1), self.tempo.retry_most / 6);
        asked + growing(share, share).next().unwrap_or(share)
    }
}

/// Pauses that double up to `most`, each with up to as much again by chance.
fn growing(first: Duration, most: Duration) -> Growing {
    ExponentialBuilder::new().with_min_delay(first).with_max_delay(most).with_jitter().without_max_times().build()
}

/// The `permissions:` lines GitHub names, such as `actions: write`.
pub fn needed_permission(headers: &HeaderMap) -> Option<String> {
    let named = header(headers, "x-accepted-github-permissions")?;
    let usable = named.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_=,; -".contains(&byte));
    if !usable || named.is_empty() {
        return None;
    }
    // A semicolon separates alternatives, of which the one that the README asks for is named; a comma
    // what is needed together.
    let alternatives: Vec<String> =
        named.split(';').map(|one| one.trim().replace('_', "-").replace('=', ": ").replace(',', " and ")).collect();
    let ours = alternatives.iter().find(|one| one.starts_with("pull-requests"));
    ours.or(alternatives.first()).cloned()
}

/// How far GitHub's clock is ahead of this machine's, in whole seconds. A few are the journey, not the clock.
pub fn clock_ahead(headers: &HeaderMap, here: DateTime<Utc>) -> Option<TimeDelta> {
    const JOURNEY: i64 = 5;
    let there = DateTime::parse_from_rfc2822(header(headers, "date")?).ok()?;
    let ahead = there.timestamp() - here.timestamp();
    Some(TimeDelta::seconds(if ahead.abs() <= JOURNEY { 0 } else { ahead }))
}

/// By GitHub's own clock, where the answer tells it.
fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    let reset = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
    Some(Duration::from_secs(u64::try_from(reset.saturating_sub(clock(headers))).unwrap_or(0).min(LONGEST)))
}

/// The time of an answer.
fn clock(headers: &HeaderMap) -> i64 {
    header(headers, "date")
        .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
        .map_or_else(|| Utc::now().timestamp(), |date| date.timestamp())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    header(headers, name)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn ten_writes_at_once_then_one_a_second_and_420_dispatches_an_hour() {
        let mut pace = Pace::new(Tempo::real());
        let mut now = Instant::now();
        let begin = now;
        let mut at = Vec::new();
        while at.len() < 421 {
            match pace.admit(Kind::Dispatch, now) {
                None => at.push(now.duration_since(begin)),
                Some(pause) => now += pause,
            }
        }
        assert_eq!(at[9], Duration::ZERO);
        assert_eq!(at[10], Duration::from_secs(1));
        assert_eq!(at[69], Duration::from_secs(60));
        assert_eq!(at[420], Duration::from_secs(3600));
        assert_eq!(pace.admit(Kind::Read, now), None);
    }

    #[test]
    fn an_hour_whose_dispatches_are_used_up_still_has_room_for_the_comment() {
        let mut pace = Pace::new(Tempo::real());
        let begin = Instant::now();
        for second in 0..419 {
            assert_eq!(pace.room(begin + Duration::from_secs(second)), 419 - second as usize);
            assert_eq!(pace.admit(Kind::Dispatch, begin + Duration::from_secs(second)), None);
        }
        assert_eq!(pace.admit(Kind::Write, begin + Duration::from_secs(419)), None);
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert_eq!(pace.room(at(420)), 0);
        let edits = (420..3600).filter(|second| {
            let spared = pace.spares_an_edit(at(*second));
            assert!(
                !spared || pace.admit(Kind::Write, at(*second)).is_none(),
                "an edit that is spared waits for nothing"
            );
            spared
        });
        assert_eq!(edits.count(), 53, "one a minute");
        assert_eq!(pace.admit(Kind::Write, at(3599)), None, "last words find a place");
        assert_eq!(pace.room(at(3600 + 60)), 6, "room comes back as the hour goes on");
    }

    #[test]
    fn a_limit_is_told_from_a_missing_permission() {
        let forbidden = StatusCode::FORBIDDEN;
        let no = headers(&[]);
        assert!(!is_limit(forbidden, &no, br#"{"message":"Resource not accessible by integration"}"#));
        assert!(is_limit(forbidden, &headers(&[("retry-after", "7")]), b""));
        assert!(is_limit(forbidden, &no, br#"{"message":"You have exceeded a secondary rate limit."}"#));
        assert!(is_limit(StatusCode::TOO_MANY_REQUESTS, &no, b""));
        assert!(is_limit(forbidden, &headers(&[("x-ratelimit-remaining", "0")]), b""));
        assert!(!is_limit(StatusCode::BAD_GATEWAY, &headers(&[("retry-after", "7")]), b""));
    }

    #[test]
    fn the_time_to_wait_is_read_in_all_its_forms() {
        let seconds = |pairs: &[(&'static str, &str)]| asked(&headers(pairs)).map(|asked| asked.as_secs());
        let date = ("date", "Mon, 21 Sep 2026 14:13:20 GMT");
        assert_eq!(seconds(&[("retry-after", "7")]), Some(7));
        assert_eq!(seconds(&[("retry-after", "Mon, 21 Sep 2026 14:14:50 GMT"), date]), Some(90));
        assert_eq!(seconds(&[("retry-after", "Mon, 21 Sep 2026 14:00:00 GMT"), date]), Some(0));
        assert_eq!(seconds(&[("retry-after", "99999999999")]), Some(3600));
        assert_eq!(seconds(&[("retry-after", "soon")]), None);
        let reset = ("x-ratelimit-reset", "1790000100");
        assert_eq!(seconds(&[("x-ratelimit-remaining", "0"), reset, date]), Some(101));
        assert_eq!(seconds(&[("x-ratelimit-remaining", "1"), reset, date]), None);
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn limits_that_come_again_are_waited_for_longer_and_never_for_nothing() {
        let tempo = Tempo::real();
        let second = Duration::from_secs;
        let (mut zero, mut silent) = (Pauses::new(tempo), Pauses::new(tempo));
        for times in 0..12 {
            let least = (tempo.retry_first * 2u32.pow(times)).min(tempo.retry_most);
            assert!(zero.limited(Some(Duration::ZERO)) >= least);
            let pause = silent.limited(None);
            let least = (tempo.limited * 2u32.pow(times)).min(tempo.limited * 16);
            assert!((least..=least * 2).contains(&pause), "{times}: {pause:?}");
        }
        let mut named = Pauses::new(tempo);
        let waits: std::collections::BTreeSet<Duration> = (0..6).map(|_| named.limited(Some(second(600)))).collect();
        assert!(waits.iter().all(|wait| (second(600)..=second(620)).contains(wait)), "{waits:?}");
        assert!(waits.len() > 1, "not all at once: {waits:?}");
        assert!(Pauses::new(tempo).broken(Some(second(30))) >= second(30), "a 503 may ask, too");
        assert!(Pauses::new(tempo).broken(None) <= tempo.retry_first * 2);
    }

    #[test]
    fn the_missing_permission_is_named_as_yaml_names_it() {
        let named = headers(&[("x-accepted-github-permissions", "issues=write; pull_requests=write")]);
        assert_eq!(needed_permission(&named).as_deref(), Some("pull-requests: write"));
        assert_eq!(needed_permission(&headers(&[("x-accepted-github-permissions", "`x`")])), None);
    }
}
