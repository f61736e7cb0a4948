//! The sticky comment: rendered whole from the view, with the state hidden below.
//!
//! A comment may have 65,536 characters; since nobody says whether GitHub counts characters or bytes, the
//! whole is kept below that in bytes. Every section is given room, the most important first, and says what it
//! leaves out; what is left goes to the next.

use super::{View, attention, audit, escape, graph, headline, onward, preview, table, timeline};
use crate::state::Stage;

/// The most bytes a comment of ours has.
pub const LARGEST: usize = 65_500;

/// What the state may take of it, so that people still see something.
pub const LARGEST_STATE: usize = crate::state::ROOM;

const STATE: &str = "<!-- deployment-approvals-state ";
const CLOSE: &str = " -->";

/// The first line of every comment of this action with the given key.
pub fn marker(comment_key: &str) -> String {
    format!("<!-- deployment-approvals key:{}{CLOSE}", escape::marker(comment_key))
}

/// Whether a comment is this action's, by its first line.
pub fn is_ours(body: &str, comment_key: &str) -> bool {
    body.lines().next().map(str::trim_end) == Some(marker(comment_key).as_str())
}

/// The packed state in a comment.
pub fn state_in(body: &str) -> Option<&str> {
    // People may write below it.
    body.lines().rev().find_map(|line| line.trim_end().strip_prefix(STATE)?.strip_suffix(CLOSE))
}

/// The whole comment.
pub fn render(view: &View<'_>, comment_key: &str, state: &str) -> String {
    let marker = marker(comment_key);
    let frame = marker.len() + STATE.len() + state.len() + CLOSE.len() + 4;
    let text = text(view, Place::Comment, LARGEST.saturating_sub(frame));
    format!("{marker}\n{text}\n{STATE}{state}{CLOSE}\n")
}

/// Where the text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is short, and changes with the rollout alone.
    Comment,
    /// It has room for the timeline, and the audit list is open.
    Summary,
}

/// What is shown, without marker and state, in at most `room` bytes.
pub(super) fn text(view: &View<'_>, place: Place, room: usize) -> String {
    let head =
        format!("### {}\n{}{}{}", headline::headline(view), onward::lead(view), together(view), onward::halted(view));
    let foot = format!("{}{}", onward::how(view), onward::foot(view));
    let mut left = room.saturating_sub(head.len() + foot.len());
    let mut add = |share: usize, section: &dyn Fn(usize) -> String| {
        let section = section(left / share);
        left = left.saturating_sub(section.len());
        section
    };
    // What needs a person comes first, then what stopped it; the table takes what is left.
    let attention = add(2, &|room| attention::attention(view, room));
    let errors = view.broken() || view.stage == Stage::Held;
    let findings = add(if errors { 2 } else { 6 }, &|room| table::findings(view, room));
    let table = add(1, &|room| match view.stage {
        Stage::Preview | Stage::Held => preview::table(view, room),
        Stage::Live | Stage::Finished | Stage::Refused => table::table(view, room),
    });
    let summary = place == Place::Summary;
    let timeline = add(1, &|room| if summary { timeline::timeline(view, room) } else { String::new() });
    let decisions = add(1, &|room| audit::decisions(view, summary, room));
    let graph = add(1, &|room| graph::graph(view, room));
    let (above, below) = if errors { (findings, String::new()) } else { (String::new(), findings) };
    format!("{head}{attention}{above}{table}{timeline}{decisions}{graph}{below}{foot}")
}

/// The pull requests that were merged together with this one.
fn together(view: &View<'_>) -> String {
    let subject = &view.rollout.subject;
    if subject.together.is_empty() {
        return String::new();
    }
    let names = |numbers: &[u64]| {
        let names: Vec<String> = numbers.iter().take(100).map(|number| format!("#{number}")).collect();
        names.join(", ")
    };
    let others: Vec<u64> = subject.together.iter().map(|companion| companion.number).collect();
    let mut text =
        format!("\nOne rollout for #{} and for {}, which were merged together.", subject.pull_request, names(&others));
    if !subject.left_out.is_empty() {
        text.push_str(&format!(
            " Left out, as their label asks, is what was changed by {} alone.",
            names(&subject.left_out)
        ));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_known_by_its_first_line_and_key() {
        let body = format!("{}\nx", marker("a b"));
        assert!(is_ours(&body, "a b") && !is_ours(&body, "a") && !is_ours(&format!("hi\n{body}"), "a b"));
        assert!(is_ours(&body.replace('\n', "\r\n"), "a b"));
    }

    #[test]
    fn the_last_state_counts_whatever_people_write_below_it() {
        assert_eq!(state_in("x\n<!-- deployment-approvals-state AbC= -->\n"), Some("AbC="));
        let twice = "<!-- deployment-approvals-state old -->\n<!-- deployment-approvals-state AbC= -->\nmore";
        assert_eq!(state_in(twice), Some("AbC="));
        assert_eq!(state_in("x <!-- deployment-approvals-state AbC= -->\n"), None);
    }
}
