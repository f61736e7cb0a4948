//! What time it is in the simulated world, and how GitHub writes it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Milliseconds since the epoch, on the world's own clock. GitHub shows whole seconds only.
pub type Millis = i64;

/// The world's clock: real time by default, which can be set to begin at a chosen moment, made to jump ahead
/// and made to go faster.
#[derive(Debug, Clone)]
pub struct Clock {
    /// When it showed `offset`.
    origin: Instant,
    offset: Millis,
    /// Its seconds in one of ours; 0: it stands still between jumps.
    speed: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { origin: Instant::now(), offset: Utc::now().timestamp_millis(), speed: 1 }
    }
}

impl Clock {
    /// A clock that shows `rfc3339` now and goes on from there, for texts that can be compared. A client whose own
    /// clock shows another time may not find what it looks for by `created`.
    pub fn starting_at(rfc3339: &str) -> Clock {
        Clock { speed: 1, ..Clock::still(rfc3339) }
    }

    /// A clock that only ever jumps, for worlds without a clock of their own and stories that are told twice.
    pub fn still(rfc3339: &str) -> Clock {
        let offset = parse(rfc3339).expect("a time such as 2026-03-02T09:00:00Z");
        Clock { origin: Instant::now(), offset, speed: 0 }
    }

    /// The world's time now.
    pub fn now(&self) -> Millis {
        self.offset + millis(self.origin.elapsed() * self.speed)
    }

    /// From now on so many of its seconds pass in one of ours; 0 stops it.
    pub fn set_speed(&mut self, speed: u32) {
        *self = Clock { origin: Instant::now(), offset: self.now(), speed };
    }

    pub fn speed(&self) -> u32 {
        self.speed
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_keeps_its_time_when_its_speed_changes() {
        let mut clock = Clock::still("2026-03-02T09:00:00Z");
        let began = clock.now();
        clock.set_speed(1_000_000);
        std::thread::sleep(Duration::from_millis(5));
        clock.set_speed(0);
        let stopped = clock.now();
        assert!(stopped - began >= 5_000_000, "{}", stopped - began);
        assert_eq!(clock.now(), stopped);
        clock.jump(Duration::from_secs(60));
        assert_eq!(clock.now(), stopped + 60_000);
    }
}
