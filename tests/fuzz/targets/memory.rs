//! The comment: what it shows, what it hides, and what comes out of it again.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use deployment_approvals::{
    context::Origin,
    plan::Planned,
    report::{View, Watcher, changes, comment, escape, outputs, summary},
    resume::{self, Us},
    rollout::{Deployment, End, Progress, Proof, Rollout, Run},
    run::{Gate, Review, Reviewer, Time},
    state::{self, Hand, Record, Stage},
    tally::Tally,
};
use flate2::{Compression, write::ZlibEncoder};

use super::{door::subject, text, told};

/// What a packed state may take of a comment, in characters.
const ROOM: usize = 48_000;

/// A state as it stands in a comment, or the JSON inside: then it is packed first, so that the fuzzer need
/// not find out how to compress.
pub fn state(bytes: &[u8]) {
    let decoded = match bytes.first() {
        Some(b'{') => state::decode(&packed(bytes)),
        _ => state::decode(&String::from_utf8_lossy(bytes)),
    };
    match decoded {
        Err(unreadable) => told([&unreadable.to_string()]),
        Ok(record) => {
            let us = Us {
                subject: &record.rollout.subject,
                hand: &Hand { run: 7, attempt: 2, nonce: "n".to_owned(), released: false, begun: None },
                origin: &record.origin,
                merge_event: true,
            };
            let verdict = resume::judge(&record, &us);
            assert_ne!(verdict, resume::Verdict::Foreign(String::new()));
            let mut again = record.clone();
            for deployment in &mut again.rollout.deployments {
                resume::doubt(deployment, Time::UNIX_EPOCH);
                let succeeded = matches!(deployment.progress, Progress::Ended { end: End::Succeeded, .. });
                assert!(!succeeded || deployment.proof == Proof::Claimed);
            }
            shown(&record);
        }
    }
}

fn packed(json: &[u8]) -> String {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(json).expect("memory");
    STANDARD.encode(packer.finish().expect("memory"))
}

/// Packs, unpacks, and shows everywhere.
fn shown(record: &Record) {
    let packed = state::encode(record);
    // A larger one may leave out words of people.
    if packed.len() <= ROOM {
        assert_eq!(state::decode(&packed).as_ref(), Ok(record), "what was packed is not what comes out");
    }
    let view = view(&record.rollout, record.stage, Watcher::Here);
    let key = &record.rollout.subject.comment_key;
    let body = comment::render(&view, key, &packed);
    assert!(comment::is_ours(&body, key), "its own comment is not known again: {body}");
    if packed.len() <= ROOM {
        assert!(body.len() <= comment::LARGEST, "{} bytes", body.len());
        assert_eq!(comment::state_in(&body), Some(packed.as_str()), "the state is not found in {body}");
    }
    nothing_hides_in(&body);
    drop(summary::render(&view));
    let standings = &view.standings;
    drop(changes::since(
        &record.rollout,
        standings,
        &[],
        Time::UNIX_EPOCH,
        "https://github.com/acme/infra/actions/runs",
    ));
    let rows = outputs::rows(&record.rollout, standings, "https://github.com");
    let counts = Tally::of(standings);
    let sum = counts.succeeded + counts.failed + counts.rejected + counts.cancelled + counts.skipped + counts.pending;
    assert_eq!((sum, rows.len()), (standings.len(), standings.len()), "the counts do not add up");
    drop(serde_json::to_string(&rows).expect("JSON"));
}

fn view(rollout: &Rollout, stage: Stage, watcher: Watcher) -> View<'_> {
    View {
        rollout,
        standings: rollout.standings(),
        stage,
        reason: None,
        watcher,
        findings: &[],
        environments: &[],
        server_url: "https://github.com",
        run_url: "https://github.com/acme/infra/actions/runs/7".to_owned(),
        job_url: "https://github.com/acme/infra/actions/runs/6".to_owned(),
        now: Time::UNIX_EPOCH,
    }
}

/// Between marker and state. In a code span it is text; only at the beginning of a line would it hide something.
fn nothing_hides_in(body: &str) {
    let lines: Vec<&str> = body.lines().collect();
    let inner = &lines[1..lines.len() - 1];
    assert!(!inner.iter().any(|line| line.trim_start().starts_with("<!--")), "something is hidden in {body}");
}

/// A rollout through its whole memory.
pub fn remembered(rollout: Rollout) {
    let hand = Hand { run: 7, attempt: 1, nonce: "n".to_owned(), released: false, begun: None };
    shown(&Record { stage: Stage::Live, hand, origin: Origin::default(), rollout });
}

/// A comment that somebody wrote, and foreign text in every place where the comment and the log show any.
pub fn comment(bytes: &[u8]) {
    let Some(foreign) = text(bytes) else { return };
    comment::is_ours(foreign, "");
    if let Some(packed) = comment::state_in(foreign) {
        drop(state::decode(packed));
    }
    let mut parts = foreign.split('\n').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let planned = Planned {
        component: next(),
        stack: Some(next()).filter(|stack| !stack.is_empty()),
        environment: next(),
        workflow: next(),
        why: next(),
        ..Planned::default()
    };
    let reviewer = Reviewer::User(next());
    let review = Review {
        state: "rejected".to_owned(),
        user: next(),
        environments: vec![next()],
        seen_at: Time::UNIX_EPOCH,
        comment: next(),
    };
    let mut waiting = Deployment::new(planned.clone());
    waiting.progress =
        Progress::Followed(Run { id: 7, attempt: 1, phase: deployment_approvals::rollout::Phase::Waiting });
    let mut ended = Deployment::new(Planned { needs: vec![0], ..planned });
    let reason = Some(review.comment.clone());
    ended.progress = Progress::Ended { end: End::Rejected, reason, at: Time::UNIX_EPOCH, run: None, job: Some(1) };
    ended.reviews = vec![review];
    let subject = deployment_approvals::plan::Subject { comment_key: next(), author: next(), ..subject() };
    let mut rollout = Rollout { subject, started_at: Time::UNIX_EPOCH, deployments: vec![waiting, ended] };
    remembered(rollout.clone());
    // Gates are asked for anew and never remembered, so they are shown here alone.
    rollout.deployments[0].gates = vec![Gate { environment: next(), reviewers: vec![reviewer], ..Gate::default() }];
    nothing_hides_in(&comment::render(&view(&rollout, Stage::Live, Watcher::Nobody(foreign.to_owned())), "", ""));
    harmless(foreign);
}

/// The log and its commands.
fn harmless(foreign: &str) {
    let line = escape::log_line(foreign);
    assert!(!line.contains(['\n', '\r']) && !line.starts_with("::") && !line.contains("##["), "{line:?}");
    let data = escape::command_data(foreign);
    assert!(!data.contains(['\n', '\r']) && !data.contains("##["), "{data:?}");
    let property = escape::command_property(foreign);
    assert!(!property.contains([':', ',', '\n', '\r']), "{property:?}");
    drop(escape::mermaid(foreign));
}
