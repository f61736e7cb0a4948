//! Phrases that comment, summary and log share: names, times, durations, counts.

use chrono::TimeDelta;

use super::escape;
use crate::{
    plan::Planned,
    rollout::{Deployment, Progress, Standing, Status},
    run::{Gate, Review, Reviewer, Time},
};

/// `2026-11-22 15:04 UTC`
pub fn moment(time: Time) -> String {
    format!("{} UTC", stamp(time))
}

/// `2026-11-22 15:04`, where the head of the column says that it is UTC.
pub fn stamp(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

/// `4m 12s`, `2h 5m`, `3d 4h`: the two largest units are enough for people.
pub fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let units = [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = units.iter().position(|(number, _)| *number > 0).unwrap_or(3);
    let shown: Vec<String> = units
        .iter()
        .skip(first)
        .take(2)
        .filter(|(number, unit)| *number > 0 || (first == 3 && *unit == 's'))
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    shown.join(" ")
}

/// The sign of a status. It never stands without the word.
pub fn sign(status: Status) -> &'static str {
    match status {
        Status::Blocked => "⏸️",
        Status::Dispatching => "📨",
        Status::Queued => "🕐",
        Status::Waiting => "✋",
        Status::Running => "🔄",
        Status::Succeeded => "✅",
        Status::Failed => "❌",
        Status::Rejected => "⛔",
        Status::Cancelled => "🚫",
        Status::TimedOut => "⌛",
        Status::Skipped => "⏭️",
        Status::Expired => "📅",
        Status::Lost => "❓",
    }
}

/// A sign and the word: the word alone tells all, for those who do not see the sign.
pub fn status(status: Status) -> String {
    format!("{} {}", sign(status), status.word())
}

/// `` `vpc` in `plat-use2-dev` ``
pub fn name(planned: &Planned) -> String {
    let component = component(planned);
    match &planned.stack {
        Some(stack) => format!("{component} in {}", escape::code(&escape::short(stack, 100))),
        None => component,
    }
}

/// `` `vpc` in `plat-use2-dev` to `dev` ``
pub fn deployment(planned: &Planned) -> String {
    to(name(planned), &[&planned.environment])
}

/// What was named, and the environments where it goes. No line ends between `to` and the first of them.
pub fn to(name: String, environments: &[&str]) -> String {
    let shown: Vec<String> =
        environments.iter().filter(|name| !name.is_empty()).map(|name| environment(name)).collect();
    if shown.is_empty() { name } else { format!("{name} to\u{a0}{}", list(&shown, 8, "and")) }
}

/// The component alone.
pub fn component(planned: &Planned) -> String {
    escape::code(&escape::short(&planned.component, 100))
}

/// An environment, or what stands where there is none.
pub fn environment(name: &str) -> String {
    if name.is_empty() { "none".to_owned() } else { escape::code(&escape::short(name, 100)) }
}

/// A person, who is not notified.
pub fn person(login: &str) -> String {
    escape::code(&escape::short(login, 50))
}

/// Why it stands as it does, with at most `most` characters of a foreign sentence. A rejection's status has been told
/// beside it: what is left to tell is whose it is, and in what words.
pub fn reason(deployment: &Deployment, standing: &Standing, most: usize) -> String {
    let rejected = |review: &&Review| review.state == "rejected" && !review.user.is_empty();
    let rejection = deployment.reviews.iter().rfind(rejected).filter(|_| standing.status == Status::Rejected);
    let prose = |text: &str| escape::prose(&escape::short(text, most));
    match rejection {
        Some(review) if review.comment.trim().is_empty() => format!("by {}", person(&review.user)),
        Some(review) => format!("by {}: {}", person(&review.user), prose(review.comment.trim())),
        None => prose(&standing.reason),
    }
}

/// With a capital letter, as a sentence begins.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Text of one line: a phone would break it at every space and hyphen.
pub fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}").replace('-', "\u{2011}")
}

/// A column's head with room on both sides. A phone makes a column as narrow as its head and its longest word are,
/// so the head of one that holds sentences keeps their lines long enough to be read.
pub fn head(title: &str) -> String {
    // Beside a status, that fills a phone.
    const WIDTH: usize = 20;
    format!("{title:\u{2007}^WIDTH$}")
}

/// `` `mona`, `hubot` or team `platform` ``; empty where nobody is named.
pub fn reviewers<'a>(all: impl IntoIterator<Item = &'a Reviewer>) -> String {
    let mut all: Vec<&Reviewer> = all.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    let names: Vec<String> = all
        .into_iter()
        .map(|reviewer| match reviewer {
            Reviewer::User(login) => person(login),
            Reviewer::Team(slug) => format!("team {}", escape::code(&escape::short(slug, 50))),
        })
        .collect();
    list(&names, 8, "or")
}

/// `a, b and c`, or `a, b and 7 more`. A list that is long by one is shown whole.
pub fn list(names: &[String], most: usize, and: &str) -> String {
    let (shown, more) =
        if names.len() > most + 1 { (names.get(..most).unwrap_or(names), names.len() - most) } else { (names, 0) };
    match (shown, more) {
        ([], _) => String::new(),
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} {and} {last}", first.join(", ")),
        (shown, more) => format!("{} {and} {more} more", shown.join(", ")),
    }
}

/// When the last wait timer of these gates ends.
pub fn timer_end(deployment: &Deployment) -> Option<Time> {
    let end = |gate: &Gate| {
        let minutes = TimeDelta::try_minutes(i64::try_from(gate.wait_minutes).ok()?)?;
        gate.wait_started_at.or(deployment.waiting_since)?.checked_add_signed(minutes)
    };
    deployment.gates.iter().filter(|gate| gate.wait_minutes > 0).filter_map(end).max()
}

/// Whether nobody is asked: only timers hold it back.
pub fn only_timer(deployment: &Deployment) -> bool {
    timer_end(deployment).is_some() && deployment.gates.iter().all(|gate| gate.reviewers.is_empty())
}

/// How long it was held back before it ran, where both moments are known.
pub fn waited(deployment: &Deployment) -> Option<TimeDelta> {
    let (since, until) = (deployment.waiting_since?, deployment.running_since?);
    (until >= since).then(|| until - since)
}

/// How long it ran, where both moments are known.
pub fn ran(deployment: &Deployment) -> Option<TimeDelta> {
    match &deployment.progress {
        Progress::Ended { at, .. } => deployment.running_since.filter(|since| since <= at).map(|since| *at - since),
        _ => None,
    }
}

/// `1 deployment`, `2 deployments`
pub fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Places in the plan, for people: from 1.
pub fn numbers(needs: &[usize]) -> String {
    let needs: Vec<String> = needs.iter().map(|need| (need + 1).to_string()).collect();
    list(&needs, 8, "and")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        let shown = |seconds: i64| span(TimeDelta::seconds(seconds));
        assert_eq!([0, 9, 60, 252, 7500, 273_900].map(shown), ["0s", "9s", "1m", "4m 12s", "2h 5m", "3d 4h"]);
        assert_eq!(shown(86_400 + 59), "1d");
        assert_eq!(shown(-5), "0s");
    }

    #[test]
    fn a_list_says_how_many_it_leaves_out() {
        let names = |count: usize| (0..count).map(|index| index.to_string()).collect::<Vec<_>>();
        assert_eq!(list(&names(0), 2, "and"), "");
        assert_eq!(list(&names(1), 2, "and"), "0");
        assert_eq!(list(&names(3), 2, "or"), "0, 1 or 2");
        assert_eq!(list(&names(4), 2, "and"), "0, 1 and 2 more");
    }
}
