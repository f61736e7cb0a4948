//! Who decided what, when that was seen, and in what words.

use std::collections::BTreeMap;

use super::{View, escape, fold, words};
use crate::{
    plan::{Companion, Planned, Subject},
    run::Review,
};

/// Deployments named in one row.
const NAMED: usize = 8;

/// The audit list, in at most `room` bytes. One decision about many deployments is one row.
pub fn decisions(view: &View<'_>, open: bool, room: usize) -> String {
    let [words, deployment] = ["Words", "Deployment"].map(words::head);
    let head = format!("| Decision | {words} | {deployment} | Seen (UTC) |\n|---|---|---|---|\n");
    let Some(room) = room.checked_sub(fold::FRAME + head.len() + 120) else {
        return String::new();
    };
    let rows = rows(view);
    if rows.is_empty() {
        return String::new();
    }
    let all: usize = rows.iter().map(|(_, planned)| planned.len()).sum();
    let (lines, more) = fold::fit(rows.iter().map(|(review, planned)| row(view, review, planned)), usize::MAX, room);
    let mut body = format!("{head}{lines}");
    if more > 0 {
        body.push_str(&format!("\nand {more} more; the job summary and the output `deployments` have all\n"));
    }
    fold::details(&format!("Decisions ({all})"), open, &body)
}

/// The decisions in the order in which they were seen, each with what it was about.
fn rows<'a>(view: &'a View<'_>) -> Vec<(&'a Review, Vec<&'a Planned>)> {
    let mut rows: Vec<(&Review, Vec<&Planned>)> = Vec::new();
    let mut known: BTreeMap<_, usize> = BTreeMap::new();
    for (deployment, _) in view.rows() {
        for review in &deployment.reviews {
            let key = (review.seen_at, &review.state, &review.user, &review.comment, &review.environments);
            let index = *known.entry(key).or_insert_with(|| {
                rows.push((review, Vec::new()));
                rows.len() - 1
            });
            if let Some((_, planned)) = rows.get_mut(index) {
                planned.push(&deployment.planned);
            }
        }
    }
    rows.sort_by_key(|(review, _)| review.seen_at);
    rows
}

/// Marks a decision by somebody who wrote or merged what is deployed. GitHub's own rule against self-review cannot
/// see them: the dispatch comes from the token's bot.
fn own(subject: &Subject, user: &str) -> String {
    let wrote = numbers(subject, user, &subject.author, |companion| &companion.author);
    let merged = numbers(subject, user, &subject.merged_by, |companion| &companion.merged_by);
    match (wrote.as_slice(), merged.as_slice()) {
        ([], []) => String::new(),
        ([_, ..], _) if subject.together.is_empty() => " (wrote the pull request)".to_owned(),
        ([_, ..], _) => format!(" (wrote {})", words::list(&wrote, NAMED, "and")),
        ([], _) if subject.together.is_empty() => " (merged it)".to_owned(),
        ([], _) => format!(" (merged {})", words::list(&merged, NAMED, "and")),
    }
}

/// The pull requests of a rollout that are somebody's: its own by that one's person, others by theirs.
fn numbers(subject: &Subject, user: &str, own: &str, of: fn(&Companion) -> &str) -> Vec<String> {
    let others = subject.together.iter().map(|companion| (companion.number, of(companion)));
    let all = others.chain([(subject.pull_request, own)]);
    all.filter(|(_, person)| !user.is_empty() && *person == user).map(|(number, _)| format!("#{number}")).collect()
}

fn row(view: &View<'_>, review: &Review, planned: &[&Planned]) -> String {
    let own = own(&view.rollout.subject, &review.user);
    let state = match review.state.as_str() {
        "approved" => words::unbroken("✅ approved"),
        "rejected" => words::unbroken("⛔ rejected"),
        other => escape::code(&escape::short(other, 40)),
    };
    let environments: Vec<&str> = review.environments.iter().map(String::as_str).collect();
    let names: Vec<String> = planned.iter().map(|planned| words::name(planned)).collect();
    let comment = match review.comment.trim() {
        "" => String::new(),
        comment => escape::code(&escape::short(comment, 300)),
    };
    format!(
        "| {state} by\u{a0}{}{own} | {comment} | {} | {} |\n",
        words::person(&review.user),
        words::to(words::list(&names, NAMED, "and"), &environments),
        words::unbroken(&words::stamp(review.seen_at)),
    )
}
