//! How long to wait between two looks. Pure.
//!
//! A job's token has 1,000 requests an hour for the whole repository, so the others come first: once half of
//! them are gone, this action plans to take no more than a third of what is left, short of a reserve.
//!
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>

use std::time::Duration;

use crate::github::Budget;

/// How far the interval stretches while nothing changes.
pub const STRETCH: u32 = 4;
/// The share of what is left that this action may plan to take.
const SHARE: u64 = 3;
/// Requests left to the others whatever happens.
pub const RESERVE: u64 = 50;
/// The longest time between two looks while there is more than the reserve.
const LONGEST: Duration = Duration::from_secs(120);

/// The time to the next look, after `idle` looks without any change. `cost` is what a look costs that finds
/// something new, in requests that count; one that finds nothing new costs none.
pub fn interval(base: Duration, idle: u32, cost: u64, budget: &Budget) -> Duration {
    let stretched = base.saturating_mul((1 + idle / 2).min(STRETCH));
    stretched.max(frugal(cost, budget).unwrap_or_default())
}

/// The shortest interval the budget allows; `None` where no limit is known or most of it is left.
fn frugal(cost: u64, budget: &Budget) -> Option<Duration> {
    let (remaining, reset) = (budget.remaining?, budget.reset_in?);
    if budget.limit.is_some_and(|limit| remaining >= limit / 2) {
        return None;
    }
    let spare = remaining.saturating_sub(RESERVE);
    if spare == 0 {
        return Some(reset);
    }
    let looks = (spare / SHARE / cost.max(1)).max(1);
    Some(reset.div_f64(looks as f64).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(15);

    fn left(remaining: u64, minutes: u64) -> Budget {
        Budget { limit: Some(1000), remaining: Some(remaining), reset_in: Some(Duration::from_secs(minutes * 60)) }
    }

    #[test]
    fn the_interval_stretches_to_four_times_and_no_further() {
        let seconds: Vec<u64> =
            [0, 1, 2, 4, 6, 100].map(|idle| interval(BASE, idle, 1, &Budget::default()).as_secs()).to_vec();
        assert_eq!(seconds, [15, 15, 30, 45, 60, 60]);
        assert!(interval(Duration::MAX, 100, 1, &Budget::default()) == Duration::MAX);
    }

    #[test]
    fn no_more_than_a_third_of_what_is_left_is_taken() {
        assert_eq!(interval(BASE, 0, 1, &left(1000, 60)), BASE, "a full budget slows nothing down");
        // 150 left above the reserve: 50 looks in an hour.
        assert_eq!(interval(BASE, 0, 1, &left(200, 60)).as_secs(), 72);
        assert_eq!(interval(BASE, 0, 5, &left(200, 60)).as_secs(), 120, "nobody waits for minutes while there is some");
        assert_eq!(interval(BASE, 0, 1, &left(40, 10)).as_secs(), 600, "the reserve is the others'");
    }
}
