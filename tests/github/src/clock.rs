//! What time it is in the simulated world, and how GitHub writes it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Milliseconds since the epoch, on the world's own clock. GitHub shows whole seconds only.
pub type Millis = i64;

/// The world's clock: real time by default, which can be set to begin at a chosen moment and can be
/// made to jump ahead.
#[derive(Debug, Clone)]
pub struct Clock {
    /// None: it stands still between jumps.
    origin: Option<Instant>,
    offset: Millis,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { origin: Some(Instant::now()), offset: Utc::now().timestamp_millis() }
    }
}

impl Clock {
    /// A clock that shows `rfc3339` now and goes on from there, for texts that can be compared. A client whose own
    /// clock shows another time may not find what it looks for by `created`.
    pub fn starting_at(rfc3339: &str) -> Clock {
        Clock { origin: Some(Instant::now()), ..Clock::still(rfc3339) }
    }

    /// A clock that only ever jumps, for worlds without a clock of their own and stories that are told twice.
    pub fn still(rfc3339: &str) -> Clock {
        let offset = parse(rfc3339).expect("a time such as 2026-03-02T09:00:00Z");
        Clock { origin: None, offset }
    }

    /// The world's time now.
    pub fn now(&self) -> Millis {
        self.offset + self.origin.map_or(0, |origin| millis(origin.elapsed()))
    }

    /// Time lapse: everything due meanwhile happens, in order, at the world's next look at itself.
    pub fn jump(&mut self, by: Duration) {
        self.offset += millis(by);
    }
}

/// A duration in the unit of the world's clock.
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 4)
}

/// As in every body: `2026-03-02T09:00:00Z`.
pub fn stamp(at: Millis) -> String {
    moment(at).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As in the `Date` header.
pub fn http_date(at: Millis) -> String {
    moment(at).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads a timestamp or a date as in GitHub's `created` and `since` parameters.
pub fn parse(text: &str) -> Option<Millis> {
    let timestamp = DateTime::parse_from_rfc3339(text);
    let timestamp = timestamp.or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")));
    timestamp.ok().map(|t| t.timestamp_millis())
}

fn moment(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}
