//! Permissions the token lacks, told from GitHub's own answers.
//!
//! What may be written can be told from nothing that is readable: a `GITHUB_TOKEN` does not say what it may.
//! So `pull-requests: write` shows when the comment is written, which comes before any dispatch, and
//! `actions: write` at the first dispatch, which nothing follows if it is refused.
//!
//! <https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps>

use std::collections::BTreeSet;

use super::{Answer, Facts};
use crate::{
    checks::Check,
    finding::{Finding, Severity, quoted},
    github::Trouble,
};

/// Every permission that was missed, each once. What is missing to know a single rule of an environment is told with
/// that environment, and need not stop anything.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut troubles: Vec<&Trouble> = Vec::new();
    troubles.extend(facts.environments.as_ref().and_then(refused));
    for workflow in facts.workflows.values() {
        troubles.extend(refused(&workflow.state));
        troubles.extend(refused(&workflow.file));
    }
    troubles.extend(facts.called.values().filter_map(refused));
    let mut told = BTreeSet::new();
    let mut once = |finding: &Finding| told.insert(finding.remedy.clone());
    troubles.into_iter().filter_map(finding).filter(|finding| once(finding)).collect()
}

fn refused<T>(answer: &Answer<T>) -> Option<&Trouble> {
    answer.as_ref().err()
}

/// What a refusal says of the token's permissions, if it is one.
pub fn finding(trouble: &Trouble) -> Option<Finding> {
    let Trouble::Forbidden { what, message, needs } = trouble else {
        return None;
    };
    let (line, writes) = match needs {
        Some(needs) => (quoted(needs), needs.contains("write")),
        None => (needed(what), !what.starts_with("GET ")),
    };
    // Whoever reads before a dispatch writes after it: the line for that is the one that is missing.
    let raised = ["actions", "pull-requests"]
        .iter()
        .fold(line.clone(), |line, scope| line.replace(&format!("{scope}: read"), &format!("{scope}: write")));
    let mut remedy = format!("Add {raised} to the job's `permissions:`");
    if raised != line {
        remedy.push_str(" (`read` is enough for a preview or a dry run)");
    }
    if writes {
        remedy.push_str(
            ". In a `pull_request` run of a fork or of Dependabot the token can only read, whatever `permissions:` says: there, use the `push` trigger",
        );
    }
    let problem = format!("GitHub refuses {} (HTTP 403: {message})", quoted(what));
    Some(Finding::of(Check::Permission, Severity::Error, problem, remedy).about("the token"))
}

/// The line that a request needs, where GitHub does not name it: proxies may keep the header.
fn needed(what: &str) -> String {
    let (method, path) = what.split_once(' ').unwrap_or_default();
    let access = if method == "GET" { "read" } else { "write" };
    // `/repos/owner/name/…`
    let scope = match path.split('/').nth(4) {
        Some("actions" | "environments") => "actions",
        Some("branches" | "contents") => "contents",
        Some("commits" | "issues" | "pulls") => "pull-requests",
        _ => return "`actions: write`, `contents: read` and `pull-requests: write`".to_owned(),
    };
    format!("`{scope}: {access}`")
}

#[cfg(test)]
mod tests {
    use super::{super::WorkflowFacts, *};
    use crate::github::WorkflowState;

    fn forbidden(what: &str, needs: Option<&str>) -> Trouble {
        Trouble::Forbidden {
            what: what.to_owned(),
            message: "Resource not accessible by integration".to_owned(),
            needs: needs.map(str::to_owned),
        }
    }

    #[test]
    fn the_missing_line_is_named_and_a_read_only_token_explained() {
        let read = finding(&forbidden("GET /x", Some("actions: read"))).expect("a finding").line();
        assert!(read.contains("Add `actions: write` to the job's `permissions:` (`read` is enough"), "{read}");
        assert!(!read.contains("fork"), "{read}");
        let write =
            finding(&forbidden("POST /x", Some("issues: write; pull-requests: write"))).expect("a finding").line();
        assert!(write.contains("pull-requests: write") && write.contains("`push` trigger"), "{write}");
        assert!(finding(&forbidden("POST /x", None)).expect("a finding").line().contains("`actions: write`"));
        assert_eq!(finding(&Trouble::NotFound { what: "GET /x".to_owned() }), None);
    }

    #[test]
    fn whatever_is_refused_is_told() {
        fn answer<T>() -> Answer<T> {
            Err(forbidden("GET /x", Some("actions: read")))
        }
        let workflow = |state, file| WorkflowFacts { state, file };
        let source = || ("apply.yml".to_owned(), "main".to_owned());
        let active = || Ok(WorkflowState { state: "active".to_owned() });
        let refused = [
            Facts { environments: Some(answer()), ..Facts::default() },
            Facts { workflows: [(source(), workflow(answer(), Ok(Err(String::new()))))].into(), ..Facts::default() },
            Facts { workflows: [(source(), workflow(active(), answer()))].into(), ..Facts::default() },
            Facts { called: [(source(), answer())].into(), ..Facts::default() },
        ];
        for facts in refused {
            assert_eq!(findings(&facts).len(), 1, "{facts:?}");
        }
        let single = Facts {
            protected_branches: Some(answer()),
            patterns: [("a".to_owned(), answer())].into(),
            apps: [("a".to_owned(), answer())].into(),
            ..Facts::default()
        };
        assert_eq!(findings(&single), Vec::new(), "told with the environment");
    }

    #[test]
    fn without_githubs_header_the_line_follows_from_the_request() {
        for (what, line) in [
            ("GET /repos/acme/infra/environments/prod/deployment_protection_rules", "`actions: write`"),
            ("POST /repos/acme/infra/actions/workflows/apply.yml/dispatches", "`actions: write`"),
            ("GET /repos/acme/actions/contents/live", "`contents: read`"),
            ("GET /repos/acme/infra/branches", "`contents: read`"),
            ("GET /repos/acme/infra/commits/c0ffee/pulls", "`pull-requests: write`"),
            ("PATCH /repos/acme/infra/issues/comments/7", "`pull-requests: write`"),
        ] {
            let told = finding(&forbidden(what, None)).expect("a finding").line();
            assert!(told.contains(&format!("Add {line} to")), "{told}");
        }
    }

    #[test]
    fn a_permission_that_is_missed_often_is_told_once() {
        let answer = || Err(forbidden("GET /x", Some("actions: read")));
        let facts = Facts {
            called: [("a", answer()), ("b", answer())]
                .map(|(name, answer)| ((name.to_owned(), String::new()), answer))
                .into(),
            environments: Some(Err(forbidden("GET /y", Some("contents: read")))),
            ..Facts::default()
        };
        assert_eq!(findings(&facts).len(), 2);
    }
}
