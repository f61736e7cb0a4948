//! The rollout's memory: what a later process needs, hidden in the sticky comment.
//!
//! Compact (a thousand deployments fit beside what people read) and versioned. Nothing derived is stored:
//! ids are computed again, statuses too. Whatever is read here is untrusted; `resume` checks it against
//! GitHub before it is believed.

use std::{collections::BTreeMap, io::Read, io::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

use crate::{
    context::Origin,
    plan::{Planned, Subject},
    rollout::{Deployment, End, Phase, Progress, Rollout, Run},
    run::{Review, Time},
};

/// The version this program writes. It reads every version up to this one.
const VERSION: u32 = 1;

/// A state larger than this when unpacked is none of ours.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What the comment remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How far the whole is.
    pub stage: Stage,
    /// Who may dispatch.
    pub hand: Hand,
    /// The workflow, job and step that began it.
    pub origin: Origin,
    /// The deployments; none where the rollout has not begun.
    pub rollout: Rollout,
}

/// How far the whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// An open pull request: what a merge would deploy.
    Preview,
    /// Preflight refused it: it has not begun.
    Refused,
    /// It is larger than `max-deployments`: it has not begun.
    Held,
    /// Deployments are on their way.
    Live,
    /// Every deployment has ended.
    Finished,
}

/// The one process that may dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hand {
    /// The workflow run.
    pub run: u64,
    /// Its attempt.
    pub attempt: u64,
    /// Tells two processes of one attempt apart.
    pub nonce: String,
    /// It has let go: the next may take over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
}

/// Why a state cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer version of this program wrote it.
    #[error("a newer version of this action (state version {0}) wrote the state; use that version here too")]
    Newer(u32),
    /// It is damaged or was never a state.
    #[error("the state is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Versioned {
    v: u32,
}

/// The wire form: rows of numbers that point into a table of words.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    stage: Stage,
    hand: Hand,
    origin: [String; 3],
    subject: [String; 7],
    pull: u64,
    /// Pull requests merged together with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    with: Vec<u64>,
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

/// Packs a record into text without line breaks, `-` or `>`.
pub fn encode(record: &Record) -> String {
    let wire = Writer::default().wire(record);
    let json = serde_json::to_vec(&wire).unwrap_or_default();
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing to a Vec cannot fail.
    let packed = packer.write_all(&json).and_then(|()| packer.finish()).unwrap_or_default();
    STANDARD.encode(packed)
}

/// Unpacks what [`encode`] packed.
///
/// # Errors
/// The text is no state, or one of a newer version.
pub fn decode(text: &str) -> Result<Record, Unreadable> {
    let damaged = |what: &dyn std::fmt::Display| Unreadable::Damaged(what.to_string());
    if text.trim().is_empty() {
        return Err(damaged(&"what was dispatched before was not known when the comment was written"));
    }
    let packed = STANDARD.decode(text.trim()).map_err(|error| damaged(&error))?;
    let mut json = Vec::new();
    ZlibDecoder::new(packed.as_slice()).take(LARGEST).read_to_end(&mut json).map_err(|error| damaged(&error))?;
    let version: Versioned = serde_json::from_slice(&json).map_err(|error| damaged(&error))?;
    if version.v > VERSION {
        return Err(Unreadable::Newer(version.v));
    }
    let wire: Wire = serde_json::from_slice(&json).map_err(|error| damaged(&error))?;
    read(wire).ok_or_else(|| damaged(&"it contradicts itself"))
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
            with: subject.together.clone(),
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
            planned.inputs.iter().map(|(name, value)| (name.clone(), cut(value, planned, &rollout.subject))).collect();
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

/// An input that repeats a name of its deployment is written as a mark, so that most inputs are the same.
fn cut(value: &str, planned: &Planned, subject: &Subject) -> String {
    let marks = marks(planned, subject);
    match marks.iter().find(|(_, known)| !value.is_empty() && *known == value) {
        Some((mark, _)) => format!("={mark}"),
        None => format!("'{value}"),
    }
}

fn paste(written: &str, planned: &Planned, subject: &Subject) -> Option<String> {
    if let Some(value) = written.strip_prefix('\'') {
        return Some(value.to_owned());
    }
    let mark = written.strip_prefix('=')?;
    marks(planned, subject).iter().find(|(known, _)| *known == mark).map(|(_, value)| (*value).to_owned())
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

/// Everything that points somewhere must point at something; needs point back, so there is no cycle.
fn read(wire: Wire) -> Option<Record> {
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
        together: wire.with.clone(),
        left_out: wire.without.clone(),
    };
    let reader = Reader { wire: &wire, subject: &subject, start };
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
        planned.inputs = inputs
            .iter()
            .map(|(name, written)| Some((name.clone(), paste(written, &planned, self.subject)?)))
            .collect::<Option<_>>()?;
        let mut deployment = Deployment {
            planned,
            tries: row.t,
            progress: self.progress(row.p.as_ref())?,
            started_at: self.maybe_time(row.b)?,
            waiting_since: self.maybe_time(row.g)?,
            running_since: None,
            gates: Vec::new(),
            reviews: row.r.iter().map(|index| self.review(*index)).collect::<Option<_>>()?,
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
    use super::*;

    fn record(deployments: usize) -> Record {
        let start = Time::from_timestamp(1_790_000_000, 0).expect("a time");
        let subject = Subject {
            repository: "acme/infrastructure".to_owned(),
            pull_request: 1234,
            merge_commit: "8f3c2d1e0b9a8f7e6d5c4b3a29181706f5e4d3c2".to_owned(),
            head_sha: "1f3c2d1e0b9a8f7e6d5c4b3a29181706f5e4d3c2".to_owned(),
            base_ref: "main".to_owned(),
            author: "octocat".to_owned(),
            together: vec![41, 43],
            left_out: vec![43],
            ..Subject::default()
        };
        let words = [
            "network",
            "database",
            "cluster",
            "gateway",
            "queue",
            "cache",
            "identity",
            "monitoring",
            "storage",
            "search",
            "billing",
        ];
        let deployments = (0..deployments).map(|index| {
            let word = |step: usize| words[(index * step + index / 7) % words.len()];
            let component = format!("{}-{}-{}-{index}", word(1), word(3), word(5));
            let stack =
                format!("plat-{}-{}", ["use1", "use2", "euw1"][index % 3], ["dev", "staging", "prod"][index % 3]);
            let environment = format!("plat-{}", ["dev", "staging", "prod"][index % 3]);
            let inputs = [("component", &component), ("stack", &stack), ("github_environment", &environment)]
                .map(|(name, value)| (name.to_owned(), value.clone()));
            let planned = Planned {
                component: component.clone(),
                stack: Some(stack.clone()),
                kind: Some("terraform".to_owned()),
                environment: environment.clone(),
                workflow: "atmos-terraform-apply.yaml".to_owned(),
                git_ref: "main".to_owned(),
                inputs: inputs.into_iter().collect(),
                needs: if index % 3 == 0 || index < 3 { vec![] } else { vec![index - 1, index - 3] },
                skip: None,
                why: "settings.pro, input github_environment".to_owned(),
            };
            let id = 19_876_543_210 + (index as u64 * 7919) % 100_003;
            Deployment {
                tries: 1,
                progress: Progress::Ended {
                    end: End::Failed,
                    reason: Some("job `apply`, step `terraform apply`".to_owned()),
                    at: start + chrono::TimeDelta::seconds((index as i64 * 977) % 90_000),
                    run: Some(Run { id, attempt: 1, phase: Phase::Running }),
                    job: None,
                },
                started_at: Some(start + chrono::TimeDelta::seconds(index as i64)),
                waiting_since: Some(start + chrono::TimeDelta::seconds(index as i64 + 9)),
                running_since: Some(
                    start + chrono::TimeDelta::seconds((index as i64 * 977) % 90_000 - (index as i64 * 37) % 900),
                ),
                gates: vec![],
                reviews: vec![Review {
                    state: "approved".to_owned(),
                    user: ["mona", "hubot"][index % 2].to_owned(),
                    comment: "looks good to me".to_owned(),
                    environments: vec![environment],
                    seen_at: start + chrono::TimeDelta::seconds((index as i64 / 50) * 60),
                }],
                planned,
            }
        });
        let deployments = deployments.collect();
        Record {
            stage: Stage::Live,
            hand: Hand { run: 7, attempt: 2, nonce: "abc".to_owned(), released: false },
            origin: Origin {
                workflow: ".github/workflows/d.yml".to_owned(),
                job: "d".to_owned(),
                step: "s".to_owned(),
            },
            rollout: Rollout { subject, started_at: start, deployments },
        }
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let record = record(40);
        assert_eq!(decode(&encode(&record)), Ok(record));
    }

    #[test]
    fn a_thousand_deployments_leave_room_for_what_people_read() {
        let text = encode(&record(1000));
        assert!(text.len() < 40_000, "{} characters", text.len());
    }

    #[test]
    fn a_newer_version_is_named_and_damage_is_damage() {
        let pack = |json: &str| {
            let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
            packer.write_all(json.as_bytes()).expect("memory");
            STANDARD.encode(packer.finish().expect("memory"))
        };
        assert_eq!(decode(&pack(r#"{"v":99,"new":true}"#)), Err(Unreadable::Newer(99)));
        let text = encode(&record(3));
        for broken in ["", "!!!!", &text[..text.len() / 2], &pack("{}"), &pack(r#"{"v":1}"#), &pack("[")] {
            assert!(matches!(decode(broken), Err(Unreadable::Damaged(_))), "{broken}");
        }
    }

    #[test]
    fn needs_that_point_forward_are_refused() {
        let mut record = record(3);
        record.rollout.deployments[0].planned.needs = vec![2];
        assert!(matches!(decode(&encode(&record)), Err(Unreadable::Damaged(_))));
    }
}
