//! The event that started this run: the payload file becomes one [`Trigger`] here.
//!
//! Payloads are taken as they come: only what is needed is looked at, and what is missing is asked of the
//! API later. Nothing that may change after the event (labels, title) is read from it, since a re-run
//! replays the payload of the first run.
//!
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use std::{fs::File, io::Read, path::Path};

use serde::Deserialize;

/// What this run is about, as far as the payload tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A pull request was closed by merging it, or the payload does not say.
    Closed {
        /// The pull request's number.
        number: u64,
        /// The payload says that it was merged.
        merged: bool,
        /// The commit its merge made, as the payload tells.
        merge_commit: Option<String>,
    },
    /// An open pull request: show what a merge would deploy.
    Preview {
        /// The pull request's number.
        number: u64,
    },
    /// Commits arrived on a branch; merged pull requests are found through them.
    Pushed(Push),
    /// An event that has no pull request, with the input `pull-request`.
    Asked {
        /// The pull request's number.
        number: u64,
    },
    /// An event that has no pull request, without the input: one pass over every unfinished rollout.
    Sweep,
    /// Nothing to do, and that is fine.
    Nothing {
        /// The pull request's number, where there is one.
        number: Option<u64>,
        /// Why, in a sentence.
        reason: String,
    },
}

/// Commits that arrived on a branch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Push {
    /// The commit the branch points to now.
    pub commit: Commit,
    /// The branch.
    pub branch: String,
    /// The commits that came with it, the newest first: a merge queue brings several pull requests at once.
    pub before: Vec<Commit>,
    /// Whether these are surely all.
    pub whole: bool,
}

/// A commit that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// The first line of its message; empty where the payload does not tell.
    pub title: String,
}

/// A payload lists no more commits of a push.
/// <https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>
const MOST_LISTED: usize = 2048;

/// The trigger, and the repository as the payload names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What to do.
    pub trigger: Trigger,
    /// `owner/name`, where the payload has it.
    pub repository: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    action: Option<String>,
    number: Option<u64>,
    pull_request: Option<PullRequest>,
    repository: Option<Repository>,
    after: Option<String>,
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    deleted: Option<bool>,
    commits: Option<Vec<Listed>>,
    head_commit: Option<Listed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    id: String,
    message: Option<String>,
}

impl Listed {
    fn commit(&self) -> Commit {
        let title = self.message.as_deref().and_then(|message| message.lines().next()).unwrap_or_default();
        Commit { id: self.id.clone(), title: title.to_owned() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PullRequest {
    number: Option<u64>,
    merged: Option<bool>,
    merged_at: Option<String>,
    merge_commit_sha: Option<String>,
    state: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Repository {
    full_name: Option<String>,
}

/// A payload is at most 25 MB by GitHub's own limit for webhooks.
const LARGEST: u64 = 25 * 1024 * 1024;

/// Reads the payload at `path`, for the event called `name`; `asked` is the input `pull-request`.
///
/// # Errors
/// One sentence: the file cannot be read, is no such payload, or the event is none this action handles.
pub fn read(path: &Path, name: &str, asked: Option<u64>) -> Result<Event, String> {
    let place = path.display();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
        .map_err(|error| {
            format!("event file `{place}` (GITHUB_EVENT_PATH) cannot be read: {error}; the runner writes it, so look at what runs this program")
        })?;
    if text.len() as u64 > LARGEST {
        return Err(format!("event file `{place}` is larger than 25 MiB: no payload of GitHub is"));
    }
    let payload: Payload = serde_json::from_str(&text).map_err(|error| {
        format!("event file `{place}` is no payload of GitHub: {}", crate::json::told(&text, &error))
    })?;
    let repository = payload.repository.as_ref().and_then(|repository| repository.full_name.clone());
    let trigger = trigger(&payload, name, asked).map_err(|what| format!("event `{name}`: {what}"))?;
    Ok(Event { trigger, repository })
}

fn trigger(payload: &Payload, name: &str, asked: Option<u64>) -> Result<Trigger, String> {
    match name {
        "pull_request" | "pull_request_target" => pull_request(payload, asked),
        "push" if asked.is_none() => pushed(payload),
        "push" | "workflow_dispatch" | "schedule" | "workflow_run" => {
            Ok(asked.map_or(Trigger::Sweep, |number| Trigger::Asked { number }))
        }
        _ => Err("this action answers to pull_request, pull_request_target, push, workflow_dispatch, schedule \
             and workflow_run; use one of them under `on:`"
            .to_owned()),
    }
}

fn pull_request(payload: &Payload, asked: Option<u64>) -> Result<Trigger, String> {
    let missing = PullRequest::default();
    let pull = payload.pull_request.as_ref().unwrap_or(&missing);
    let number = pull.number.or(payload.number).ok_or("the payload has no `pull_request.number`")?;
    if let Some(asked) = asked.filter(|asked| *asked != number) {
        return Err(format!(
            "input `pull-request` is {asked}, and the event is of pull request {number}: leave the input empty here"
        ));
    }
    let closed = match (payload.action.as_deref(), pull.state.as_deref()) {
        (Some(action), _) => action == "closed",
        (None, state) => state == Some("closed"),
    };
    Ok(match (closed, pull.merged, &pull.merged_at) {
        (false, ..) => Trigger::Preview { number },
        (true, Some(false), _) => Trigger::Nothing {
            number: Some(number),
            reason: format!("pull request #{number} was closed without being merged"),
        },
        (true, merged, at) => Trigger::Closed {
            number,
            merged: merged == Some(true) || at.is_some(),
            merge_commit: pull.merge_commit_sha.clone().filter(|commit| is_commit(commit)),
        },
    })
}

fn pushed(payload: &Payload) -> Result<Trigger, String> {
    let git_ref = payload.git_ref.as_deref().ok_or("the payload has no `ref`")?;
    let Some(branch) = git_ref.strip_prefix("refs/heads/") else {
        return Ok(Trigger::Nothing {
            number: None,
            reason: format!("the push is to `{git_ref}`, which is no branch"),
        });
    };
    if payload.deleted == Some(true) {
        return Ok(Trigger::Nothing { number: None, reason: format!("branch `{branch}` was deleted") });
    }
    let after =
        payload.after.as_deref().filter(|commit| is_commit(commit)).ok_or("the payload has no commit in `after`")?;
    let listed = || payload.commits.iter().flatten().rev().filter(|commit| is_commit(&commit.id));
    let commit = listed().chain(&payload.head_commit).find(|commit| commit.id == after).map(Listed::commit);
    Ok(Trigger::Pushed(Push {
        commit: commit.unwrap_or_else(|| Commit { id: after.to_owned(), ..Commit::default() }),
        branch: branch.to_owned(),
        before: listed().filter(|commit| commit.id != after).map(Listed::commit).collect(),
        whole: payload.commits.as_ref().is_some_and(|commits| commits.len() < MOST_LISTED),
    }))
}

/// Whether `text` is a full commit hash (SHA-1 or SHA-256), and so safe in a path.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, payload: &str, asked: Option<u64>) -> Result<Trigger, String> {
        trigger(&serde_json::from_str(payload).expect("JSON"), name, asked)
    }

    #[test]
    fn a_merge_is_a_merge_even_in_a_sparse_payload() {
        for payload in [
            r#"{"action":"closed","number":5,"pull_request":{"number":5,"merged":true}}"#,
            r#"{"action":"closed","number":5}"#,
            r#"{"action":"closed","pull_request":{"number":5,"merged_at":"2026-01-01T00:00:00Z"}}"#,
            r#"{"pull_request":{"number":5,"state":"closed","merged":null}}"#,
        ] {
            let trigger = of("pull_request", payload, None);
            assert!(matches!(trigger, Ok(Trigger::Closed { number: 5, .. })), "{payload}: {trigger:?}");
        }
    }

    #[test]
    fn closing_without_a_merge_is_nothing_and_says_so() {
        let payload = r#"{"action":"closed","pull_request":{"number":5,"merged":false}}"#;
        let Ok(Trigger::Nothing { number: Some(5), reason }) = of("pull_request_target", payload, None) else {
            panic!("nothing to do");
        };
        assert_eq!(reason, "pull request #5 was closed without being merged");
    }

    #[test]
    fn an_open_pull_request_is_a_preview() {
        let payload = r#"{"action":"synchronize","number":5}"#;
        assert_eq!(of("pull_request", payload, None), Ok(Trigger::Preview { number: 5 }));
    }

    #[test]
    fn a_number_that_contradicts_the_event_is_refused() {
        let payload = r#"{"action":"closed","number":5}"#;
        let error = of("pull_request", payload, Some(6)).expect_err("5 is not 6");
        assert!(error.contains("input `pull-request` is 6"), "{error}");
        assert!(of("pull_request", payload, Some(5)).is_ok());
    }

    #[test]
    fn a_push_names_branch_and_commit_and_tags_are_nothing() {
        let commit = "a".repeat(40);
        let payload = format!(r#"{{"ref":"refs/heads/main","after":"{commit}"}}"#);
        let branch = "main".to_owned();
        let after = |title: &str| Commit { id: commit.clone(), title: title.to_owned() };
        let push = Push { commit: after(""), branch, before: vec![], whole: false };
        assert_eq!(of("push", &payload, None), Ok(Trigger::Pushed(push.clone())));
        let payload = payload.replace('}', &format!(r#","head_commit":{{"id":"{commit}","message":"Mend\n\nit"}}}}"#));
        assert_eq!(of("push", &payload, None), Ok(Trigger::Pushed(Push { commit: after("Mend"), ..push })));
        let tag = of("push", r#"{"ref":"refs/tags/v1"}"#, None);
        assert!(matches!(tag, Ok(Trigger::Nothing { .. })), "{tag:?}");
        assert!(of("push", r#"{"ref":"refs/heads/main","after":"../../x"}"#, None).is_err());
    }

    #[test]
    fn the_commits_of_a_push_are_told_from_the_newest_on_and_a_full_list_may_not_be_all() {
        let push = |count: usize| {
            let ids: Vec<String> = (1..=count).map(|number| format!("{number:040x}")).collect();
            let commits: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
            let payload = format!(
                r#"{{"ref":"refs/heads/main","after":"{}","commits":[{}]}}"#,
                ids[count - 1],
                commits.join(",")
            );
            let Ok(Trigger::Pushed(push)) = of("push", &payload, None) else { panic!("a push") };
            push
        };
        let three = push(3);
        let before: Vec<&str> = three.before.iter().map(|commit| commit.id.as_str()).collect();
        assert_eq!((before, three.whole), (vec![&*format!("{:040x}", 2), &*format!("{:040x}", 1)], true));
        assert!(push(MOST_LISTED - 1).whole && !push(MOST_LISTED).whole);
    }

    #[test]
    fn events_without_a_pull_request_take_it_from_the_input_or_sweep() {
        for name in ["workflow_dispatch", "schedule", "workflow_run"] {
            assert_eq!(of(name, "{}", Some(9)), Ok(Trigger::Asked { number: 9 }));
            assert_eq!(of(name, "{}", None), Ok(Trigger::Sweep));
        }
        assert!(of("merge_group", "{}", None).expect_err("not handled").contains("`on:`"));
    }
}
