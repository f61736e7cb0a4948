//! The wire form: rows of numbers that point into a table of words, so that what a thousand deployments have in
//! common is written once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Hand, Record, Stage, VERSION};
use crate::{
    context::Origin,
    ordered::Ordered,
    plan::{Companion, Planned, Subject},
    rollout::{Deployment, End, Phase, Progress, Proof, Rollout, Run},
    run::{Review, Time},
};

/// A whole record.
#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    v: u32,
    stage: Stage,
    hand: Hand,
    origin: [String; 3],
    subject: [String; 7],
    pull: u64,
    /// Pull requests merged together with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    with: Vec<u64>,
    /// Who wrote and who merged each of these; missing in what an older version wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    by: Vec<[String; 2]>,
    /// Those of them that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    without: Vec<u64>,
    at: i64,
    /// The smallest run id; rows hold what is added to it.
    first: u64,
    words: Vec<String>,
    shapes: Vec<Shape>,
    reviews: Vec<WireReview>,
    rows: Vec<Row>,
}

/// Workflow, ref and inputs, the same for many deployments once names are cut out.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Shape(usize, usize, BTreeMap<String, String>);

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct WireReview(String, String, String, Vec<usize>, i64);

#[derive(Serialize, Deserialize)]
struct Row {
    /// component
    c: String,
    /// stack, type, environment, why, skip: each a word, 0 for none
    w: [usize; 5],
    /// shape
    s: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    n: Vec<usize>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    t: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<WireProgress>,
    /// started, waiting since
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<i64>,
    /// running since, counted from the end, or from the start while it runs: small numbers pack well
    #[serde(default, skip_serializing_if = "Option::is_none")]
    u: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    r: Vec<usize>,
}

#[derive(Serialize, Deserialize)]
enum WireProgress {
    I(i64, Option<String>),
    F(u64, u64, u8),
    E(u8, i64, Option<String>, Option<(u64, u64)>, Option<u64>),
}

/// The moment that `running_since` is written relative to.
fn beside(deployment: &Deployment) -> Option<Time> {
    match &deployment.progress {
        Progress::Ended { at, .. } => Some(*at),
        _ => deployment.started_at,
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

const ENDS: [End; 7] =
    [End::Succeeded, End::Failed, End::Rejected, End::Cancelled, End::TimedOut, End::Expired, End::Lost];
const PHASES: [Phase; 3] = [Phase::Queued, Phase::Waiting, Phase::Running];

fn code<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX)
}

/// Writes a record down.
pub(super) fn write(record: &Record) -> Wire {
    Writer::default().wire(record)
}

#[derive(Default)]
struct Writer {
    words: Vec<String>,
    shapes: Vec<Shape>,
    reviews: Vec<WireReview>,
    first: u64,
    start: i64,
}

impl Writer {
    /// The number of a word, from 1; 0 is none.
    fn word(&mut self, text: &str) -> usize {
        if text.is_empty() {
            return 0;
        }
        index_of(&mut self.words, text.to_owned()) + 1
    }

    fn seconds(&self, time: Time) -> i64 {
        time.timestamp() - self.start
    }

    fn wire(mut self, record: &Record) -> Wire {
        let rollout = &record.rollout;
        let subject = &rollout.subject;
        self.start = rollout.started_at.timestamp();
        self.first = rollout.deployments.iter().filter_map(|deployment| Some(deployment.run()?.id)).min().unwrap_or(0);
        let rows = rollout.deployments.iter().map(|deployment| self.row(rollout, deployment)).collect();
        let origin = record.origin.clone();
        Wire {
            v: VERSION,
            stage: record.stage,
            hand: record.hand.clone(),
            origin: [origin.workflow, origin.job, origin.step],
            subject: [
                subject.repository.clone(),
                subject.merge_commit.clone(),
                subject.head_sha.clone(),
                subject.base_ref.clone(),
                subject.comment_key.clone(),
                subject.author.clone(),
                subject.merged_by.clone(),
            ],
            pull: subject.pull_request,
            with: subject.together.iter().map(|companion| companion.number).collect(),
            by: subject.together.iter().map(people).collect(),
            without: subject.left_out.clone(),
            at: self.start,
            first: self.first,
            words: self.words,
            shapes: self.shapes,
            reviews: self.reviews,
            rows,
        }
    }

    fn row(&mut self, rollout: &Rollout, deployment: &Deployment) -> Row {
        let planned = &deployment.planned;
        let inputs =
            planned.inputs.iter().map(|(name, value)| (name.clone(), cut(value, planned, &rollout.subject))).ordered();
        let shape = Shape(self.word(&planned.workflow), self.word(&planned.git_ref), inputs);
        let words = [
            planned.stack.as_deref().unwrap_or_default(),
            planned.kind.as_deref().unwrap_or_default(),
            &planned.environment,
            &planned.why,
            planned.skip.as_deref().unwrap_or_default(),
        ]
        .map(|text| self.word(text));
        let reviews = deployment.reviews.iter().map(|review| self.review(review)).collect();
        Row {
            c: planned.component.clone(),
            w: words,
            s: index_of(&mut self.shapes, shape),
            n: planned.needs.clone(),
            t: deployment.tries,
            p: self.progress(&deployment.progress),
            b: deployment.started_at.map(|time| self.seconds(time)),
            g: deployment.waiting_since.map(|time| self.seconds(time)),
            u: deployment.running_since.zip(beside(deployment)).map(|(time, beside)| (time - beside).num_seconds()),
            r: reviews,
        }
    }

    fn review(&mut self, review: &Review) -> usize {
        let environments = review.environments.iter().map(|name| self.word(name)).collect();
        let seen = self.seconds(review.seen_at);
        let wire = WireReview(review.state.clone(), review.user.clone(), review.comment.clone(), environments, seen);
        index_of(&mut self.reviews, wire)
    }

    fn progress(&self, progress: &Progress) -> Option<WireProgress> {
        Some(match progress {
            Progress::Planned => return None,
            Progress::Intended { at, note } => WireProgress::I(self.seconds(*at), note.clone()),
            Progress::Followed(run) => WireProgress::F(run.id - self.first, run.attempt, code(&PHASES, &run.phase)),
            Progress::Ended { end, reason, at, run, job } => WireProgress::E(
                code(&ENDS, end),
                self.seconds(*at),
                reason.clone(),
                run.as_ref().map(|run| (run.id - self.first, run.attempt)),
                *job,
            ),
        })
    }
}

fn index_of<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter().position(|other| *other == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}

/// Comes before a mark within a text.
const MARK: char = '\u{1}';
/// Shorter names are no saving.
const LONG_ENOUGH: usize = 3;

/// An input that repeats a name of its deployment is written as a mark, and so is a name within an input, such as a
/// folder's: so most inputs are the same.
fn cut(value: &str, planned: &Planned, subject: &Subject) -> String {
    let marks = marks(planned, subject);
    if let Some((mark, _)) = marks.iter().find(|(_, known)| !value.is_empty() && *known == value) {
        return format!("={mark}");
    }
    let mut marked = value.to_owned();
    for (mark, known) in marks.iter().filter(|(_, known)| known.len() >= LONG_ENOUGH) {
        marked = marked.replace(known, &format!("{MARK}{mark}"));
    }
    let marked = format!("~{marked}");
    // Names may overlap, or hold what a mark is made of: what would not be read back is written as it is.
    if marked.contains(MARK) && paste(&marked, planned, subject).as_deref() == Some(value) {
        return marked;
    }
    format!("'{value}")
}

fn paste(written: &str, planned: &Planned, subject: &Subject) -> Option<String> {
    if let Some(value) = written.strip_prefix('\'') {
        return Some(value.to_owned());
    }
    let marks = marks(planned, subject);
    let named = |mark: &str| marks.iter().find(|(known, _)| *known == mark).map(|(_, value)| *value);
    if let Some(mark) = written.strip_prefix('=') {
        return named(mark).map(str::to_owned);
    }
    let mut parts = written.strip_prefix('~')?.split(MARK);
    let mut text = parts.next()?.to_owned();
    for part in parts {
        text.push_str(named(part.get(..1)?)?);
        text.push_str(part.get(1..)?);
    }
    Some(text)
}

fn marks<'a>(planned: &'a Planned, subject: &'a Subject) -> [(&'static str, &'a str); 5] {
    [
        ("c", &planned.component),
        ("s", planned.stack.as_deref().unwrap_or_default()),
        ("e", &planned.environment),
        ("m", &subject.merge_commit),
        ("h", &subject.head_sha),
    ]
}

fn people(companion: &Companion) -> [String; 2] {
    [companion.author.clone(), companion.merged_by.clone()]
}

fn companions(wire: &Wire) -> Vec<Companion> {
    let people = wire.by.iter().cloned().chain(std::iter::repeat_with(Default::default));
    let all = wire.with.iter().zip(people);
    all.map(|(number, [author, merged_by])| Companion { number: *number, author, merged_by }).collect()
}

/// Everything that points somewhere must point at something; needs point back, so there is no cycle.
pub(super) fn read(wire: &Wire) -> Option<Record> {
    let start = Time::from_timestamp(wire.at, 0)?;
    let [repository, merge_commit, head_sha, base_ref, comment_key, author, merged_by] = wire.subject.clone();
    let subject = Subject {
        repository,
        pull_request: wire.pull,
        merge_commit,
        head_sha,
        base_ref,
        comment_key,
        author,
        merged_by,
        together: companions(wire),
        left_out: wire.without.clone(),
    };
    let reader = Reader { wire, subject: &subject, start };
    let deployments =
        wire.rows.iter().enumerate().map(|(index, row)| reader.deployment(index, row)).collect::<Option<Vec<_>>>()?;
    let [workflow, job, step] = wire.origin.clone();
    Some(Record {
        stage: wire.stage,
        hand: wire.hand.clone(),
        origin: Origin { workflow, job, step },
        rollout: Rollout { subject, started_at: start, deployments },
    })
}

struct Reader<'a> {
    wire: &'a Wire,
    subject: &'a Subject,
    start: Time,
}

impl Reader<'_> {
    fn word(&self, number: usize) -> Option<String> {
        match number.checked_sub(1) {
            None => Some(String::new()),
            Some(index) => self.wire.words.get(index).cloned(),
        }
    }

    fn time(&self, seconds: i64) -> Option<Time> {
        self.start.checked_add_signed(chrono::TimeDelta::try_seconds(seconds)?)
    }

    /// `None`: absent. `Some(None)`: unusable.
    fn maybe_time(&self, seconds: Option<i64>) -> Option<Option<Time>> {
        match seconds {
            None => Some(None),
            Some(seconds) => self.time(seconds).map(Some),
        }
    }

    fn deployment(&self, index: usize, row: &Row) -> Option<Deployment> {
        let [stack, kind, environment, why, skip] = row.w;
        let some = |text: String| (!text.is_empty()).then_some(text);
        let Shape(workflow, git_ref, inputs) = self.wire.shapes.get(row.s)?;
        if row.n.iter().any(|need| *need >= index) {
            return None;
        }
        let mut planned = Planned {
            component: row.c.clone(),
            stack: some(self.word(stack)?),
            kind: some(self.word(kind)?),
            environment: self.word(environment)?,
            workflow: self.word(*workflow)?,
            git_ref: self.word(*git_ref)?,
            inputs: BTreeMap::new(),
            needs: row.n.clone(),
            skip: some(self.word(skip)?),
            why: self.word(why)?,
        };
        for (name, written) in inputs {
            let value = paste(written, &planned, self.subject)?;
            planned.inputs.insert(name.clone(), value);
        }
        let mut deployment = Deployment {
            planned,
            tries: row.t,
            progress: self.progress(row.p.as_ref())?,
            started_at: self.maybe_time(row.b)?,
            waiting_since: self.maybe_time(row.g)?,
            running_since: None,
            gates: Vec::new(),
            reviews: row.r.iter().map(|index| self.review(*index)).collect::<Option<_>>()?,
            proof: Proof::Seen,
        };
        if let Some(seconds) = row.u {
            let length = chrono::TimeDelta::try_seconds(seconds)?;
            deployment.running_since = Some(beside(&deployment)?.checked_add_signed(length)?);
        }
        Some(deployment)
    }

    fn review(&self, index: usize) -> Option<Review> {
        let WireReview(state, user, comment, environments, seen) = self.wire.reviews.get(index)?;
        Some(Review {
            state: state.clone(),
            user: user.clone(),
            comment: comment.clone(),
            environments: environments.iter().map(|number| self.word(*number)).collect::<Option<_>>()?,
            seen_at: self.time(*seen)?,
        })
    }

    fn progress(&self, wire: Option<&WireProgress>) -> Option<Progress> {
        let run = |offset: u64, attempt: u64, phase: Phase| {
            Some(Run { id: self.wire.first.checked_add(offset)?, attempt, phase })
        };
        Some(match wire {
            None => Progress::Planned,
            Some(WireProgress::I(at, note)) => Progress::Intended { at: self.time(*at)?, note: note.clone() },
            Some(WireProgress::F(offset, attempt, phase)) => {
                Progress::Followed(run(*offset, *attempt, *PHASES.get(usize::from(*phase))?)?)
            }
            Some(WireProgress::E(end, at, reason, known, job)) => Progress::Ended {
                end: *ENDS.get(usize::from(*end))?,
                reason: reason.clone(),
                at: self.time(*at)?,
                run: match known {
                    None => None,
                    Some((offset, attempt)) => Some(run(*offset, *attempt, Phase::Running)?),
                },
                job: *job,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_within_an_input_are_marks_so_that_the_inputs_of_all_are_alike() {
        let subject = Subject::default();
        let written: Vec<String> = ["network-1", "database-2"]
            .map(|component| {
                let planned =
                    Planned { component: component.to_owned(), environment: "prod".to_owned(), ..Planned::default() };
                cut(&format!("infra/prod/{component}/main"), &planned, &subject)
            })
            .to_vec();
        assert_eq!(written[0], written[1]);
        assert_eq!(written[0], "~infra/\u{1}e/\u{1}c/main");
    }

    proptest! {
        #[test]
        fn every_input_is_read_back_as_it_was(
            component in "[abcesh=~'\u{1}é/]{0,6}",
            stack in "[abcesh\u{1}/]{0,6}",
            environment in "[abcesh\u{1}-]{0,6}",
            parts in prop::collection::vec("[abcesh=~'\u{1}é/]{0,3}|C|S|E", 0..6),
        ) {
            let value = parts.concat().replace('C', &component).replace('S', &stack).replace('E', &environment);
            let planned = Planned { component, stack: Some(stack), environment, ..Planned::default() };
            let subject = Subject { merge_commit: "abc".to_owned(), ..Subject::default() };
            let written = cut(&value, &planned, &subject);
            prop_assert_eq!(paste(&written, &planned, &subject), Some(value));
        }
    }
}
