//! The rollout's memory: what a later process needs, hidden in the sticky comment.
//!
//! Compact (a thousand deployments fit beside what people read) and versioned. Nothing derived is stored:
//! ids are computed again, statuses too. Whatever is read here is untrusted; `resume` checks it against
//! GitHub before it is believed.

mod wire;

use std::io::{Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

use crate::{
    context::Origin,
    rollout::{Progress, Rollout},
    run::cut,
};

/// The version this program writes. It reads every version up to this one.
const VERSION: u32 = 1;

/// What a packed state may take of the comment, in characters, so that people still see something.
pub const ROOM: usize = 60_000;

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
    /// Run and attempt of the job that began the rollout, or last tried it again, where another run holds it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<(u64, u64)>,
}

impl Hand {
    /// Run and attempt of the job that began the rollout, or last tried it again.
    pub fn began(&self) -> (u64, u64) {
        self.begun.unwrap_or((self.run, self.attempt))
    }

    /// This hand when it takes the rollout over from another: a sweep that ends a rollout does not take the
    /// job that began it the right to try again.
    pub fn after(self, other: &Self) -> Self {
        let began = other.began();
        Self { begun: (began.0 != self.run).then_some(began), ..self }
    }
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

/// How much of what people wrote is kept where not all of it fits. Nothing that decides is ever left out.
struct Lean {
    /// Characters of a review's comment; `None`: no review is kept.
    reviews: Option<usize>,
    /// Characters of a reason.
    reasons: usize,
}

const LEANER: [Lean; 3] = [
    Lean { reviews: Some(80), reasons: 160 },
    Lean { reviews: Some(1), reasons: 60 },
    Lean { reviews: None, reasons: 1 },
];

/// Packs a record into text without line breaks, `-` or `>`, in [`ROOM`] if that is possible.
pub fn encode(record: &Record) -> String {
    let mut packed = pack(record);
    for lean in LEANER {
        if packed.len() <= ROOM {
            break;
        }
        packed = pack(&lean.of(record));
    }
    packed
}

impl Lean {
    fn of(&self, record: &Record) -> Record {
        let mut record = record.clone();
        for deployment in &mut record.rollout.deployments {
            match self.reviews {
                Some(most) => {
                    deployment.reviews.iter_mut().for_each(|review| review.comment = cut(&review.comment, most));
                }
                None => deployment.reviews.clear(),
            }
            if let Progress::Ended { reason: Some(text), .. } | Progress::Intended { note: Some(text), .. } =
                &mut deployment.progress
            {
                *text = cut(text, self.reasons);
            }
        }
        record
    }
}

fn pack(record: &Record) -> String {
    let json = serde_json::to_vec(&wire::write(record)).unwrap_or_default();
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
    let wire: wire::Wire = serde_json::from_slice(&json).map_err(|error| damaged(&error))?;
    wire::read(&wire).ok_or_else(|| damaged(&"it contradicts itself"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{Companion, Planned, Subject},
        report::{View, Watcher, comment},
        rollout::{Deployment, End, Phase, Proof, Run},
        run::{Review, Time},
    };

    fn companion(number: u64, author: &str, merged_by: &str) -> Companion {
        Companion { number, author: author.to_owned(), merged_by: merged_by.to_owned() }
    }

    fn packed(json: &str) -> String {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        packer.write_all(json.as_bytes()).expect("memory");
        STANDARD.encode(packer.finish().expect("memory"))
    }

    fn record(deployments: usize) -> Record {
        let start = Time::from_timestamp(1_790_000_000, 0).expect("a time");
        let subject = Subject {
            repository: "acme/infrastructure".to_owned(),
            pull_request: 1234,
            merge_commit: "8f3c2d1e0b9a8f7e6d5c4b3a29181706f5e4d3c2".to_owned(),
            head_sha: "1f3c2d1e0b9a8f7e6d5c4b3a29181706f5e4d3c2".to_owned(),
            base_ref: "main".to_owned(),
            author: "octocat".to_owned(),
            together: vec![companion(41, "mona", "hubot"), companion(43, "", "")],
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
                proof: Proof::Seen,
            }
        });
        let deployments = deployments.collect();
        Record {
            stage: Stage::Live,
            hand: Hand { run: 7, attempt: 2, nonce: "abc".to_owned(), released: false, begun: Some((6, 1)) },
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
    fn a_state_from_before_the_people_of_companions_were_kept_is_read_without_them() {
        let mut record = record(3);
        let mut json = serde_json::to_value(wire::write(&record)).expect("JSON");
        let people = json.as_object_mut().expect("an object").remove("by");
        assert_eq!(people, Some(serde_json::json!([["mona", "hubot"], ["", ""]])));
        record.rollout.subject.together = vec![companion(41, "", ""), companion(43, "", "")];
        assert_eq!(decode(&packed(&json.to_string())), Ok(record));
    }

    #[test]
    fn a_thousand_deployments_leave_room_for_what_people_read() {
        let text = encode(&record(1000));
        assert!(text.len() < 40_000, "{} characters", text.len());
    }

    /// Text that packs as badly as text can.
    fn noise(seed: u64, length: usize) -> String {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let letter = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'a' + u8::try_from(state % 26).expect("a letter"))
        };
        (0..length).map(letter).collect()
    }

    #[test]
    fn long_words_give_way_and_nothing_that_decides_does() {
        let mut record = record(1000);
        for (index, deployment) in record.rollout.deployments.iter_mut().enumerate() {
            deployment.reviews[0].comment = cut(&noise(index as u64 + 1, 4000), crate::run::LONGEST_WORDS);
            let words = format!("rejected by mona: {}", deployment.reviews[0].comment);
            match &mut deployment.progress {
                Progress::Ended { reason, job, .. } => {
                    *reason = Some(words);
                    *job = Some(51_876_543_210 + (index as u64 * 104_729) % 10_000_019);
                }
                _ => panic!("ended"),
            }
        }
        let last = record.rollout.deployments.last_mut().expect("one");
        last.progress = Progress::Intended { at: record.rollout.started_at, note: Some(noise(7, 400)) };
        let text = encode(&record);
        assert!(text.len() <= ROOM, "{} characters", text.len());
        let view = View {
            rollout: &record.rollout,
            standings: record.rollout.standings(),
            stage: record.stage,
            reason: None,
            watcher: Watcher::Here,
            findings: &[],
            environments: &[],
            server_url: "https://github.com",
            run_url: "https://github.com/acme/infrastructure/actions/runs/7".to_owned(),
            job_url: String::new(),
            now: record.rollout.started_at,
        };
        let body = comment::render(&view, "", &text);
        assert!(body.len() < 65_536, "{} bytes", body.len());
        let back = decode(&text).expect("a state");
        for (was, is) in record.rollout.deployments.iter().zip(&back.rollout.deployments) {
            assert_eq!((&was.planned, was.tries, was.run()), (&is.planned, is.tries, is.run()));
            assert_eq!((was.started_at, was.waiting_since), (is.started_at, is.waiting_since));
            match (&was.progress, &is.progress) {
                (Progress::Ended { end, at, job, .. }, Progress::Ended { end: e, at: a, job: j, .. }) => {
                    assert_eq!((end, at, job), (e, a, j));
                }
                (Progress::Intended { at, note }, Progress::Intended { at: a, note: n }) => {
                    assert_eq!((at, note.is_some()), (a, n.is_some()), "whether an answer came decides");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn words_that_fit_are_kept_and_a_review_whose_words_were_cut_is_known_again() {
        let whole = record(40).rollout.deployments[0].reviews[0].clone();
        let mut known = whole.clone();
        known.comment = cut(&whole.comment, 8);
        assert_eq!(known.comment, "looks g…");
        assert!(known.same(&whole) && whole.same(&whole));
        assert!(!whole.same(&Review { comment: "looks good".to_owned(), ..whole.clone() }));
    }

    #[test]
    fn a_newer_version_is_named_and_damage_is_damage() {
        assert_eq!(decode(&packed(r#"{"v":99,"new":true}"#)), Err(Unreadable::Newer(99)));
        let text = encode(&record(3));
        for broken in ["", "!!!!", &text[..text.len() / 2], &packed("{}"), &packed(r#"{"v":1}"#), &packed("[")] {
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
