//! What an answer means: done, a limit, broken, or a trouble that no repetition mends. Pure.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::{
    http::{Call, JSON, Repeat, Reply},
    limits,
};

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// 401
    #[error("GitHub does not accept the token (HTTP 401: {0}): it expired, was revoked, or is not one of this server")]
    Unauthorized(String),
    /// 403 that is no limit
    #[error("{what}: GitHub refuses it (HTTP 403: {message}){}", needs.as_ref().map(|needs| format!("; the token needs `{needs}`")).unwrap_or_default())]
    Forbidden {
        /// Method and path.
        what: String,
        /// GitHub's words.
        message: String,
        /// The `permissions:` line, from GitHub's own header.
        needs: Option<String>,
    },
    /// 404 or 410
    #[error("{what}: GitHub does not know it (HTTP 404)")]
    NotFound {
        /// Method and path.
        what: String,
    },
    /// Any other 4xx, or an answer that cannot be used.
    #[error("{what}: GitHub answered HTTP {status}: {message}")]
    Refused {
        /// Method and path.
        what: String,
        /// The status.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// It may or may not have had its effect.
    #[error("{what}: it is not known whether it was accepted ({why})")]
    Unanswered {
        /// Method and path.
        what: String,
        /// What happened.
        why: String,
    },
    /// The time is up. Nothing was sent, or nothing that changes anything.
    #[error("the time is up{}", last.as_ref().map(|last| format!(" ({last})")).unwrap_or_default())]
    OutOfTime {
        /// What the last try met.
        last: Option<String>,
    },
    /// TLS: nothing was sent, and waiting mends nothing.
    #[error(
        "the server's certificate is not trusted ({0}): name the file with your certificate authority, as the container sees it, in the variable `SSL_CERT_FILE` of this step's `env`"
    )]
    Untrusted(String),
    /// A signal came. Nothing was sent, or nothing that changes anything.
    #[error("stopped by a signal")]
    Stopped,
    /// Somebody else was quicker, so it was not sent, or not again.
    #[error("somebody else was quicker")]
    Overtaken,
}

/// An answer, sorted.
pub(super) enum Sorted {
    /// It can be used.
    Done(Reply),
    /// A limit: how long it asks to wait, and what it was.
    Limited(Option<Duration>, String),
    /// GitHub or the way to it is not well: how long it asks to wait, and what it said.
    Broken(Option<Duration>, String),
}

/// Sorts an answer. What is an error stays one however often it is asked, but for a 404.
pub(super) fn sort(call: &Call<'_>, reply: Reply) -> Result<Sorted, Trouble> {
    let status = reply.status;
    let message = || words(&reply.body);
    if limits::is_limit(status, &reply.headers, &reply.body) {
        let why = format!("GitHub's rate limit (HTTP {})", status.as_u16());
        return Ok(Sorted::Limited(limits::asked(&reply.headers), why));
    }
    match status.as_u16() {
        200..=299 if call.accept == JSON && !is_json(&reply.body) => {
            Ok(Sorted::Broken(None, format!("HTTP {} with a body that is no JSON", status.as_u16())))
        }
        200..=299 if call.reads() && reply.body.is_empty() => {
            Ok(Sorted::Broken(None, format!("HTTP {} without a body", status.as_u16())))
        }
        200..=299 if call.is_query() => Ok(queried(reply)),
        200..=299 => Ok(Sorted::Done(reply)),
        304 if call.etag.is_some() => Ok(Sorted::Done(reply)),
        401 => Err(Trouble::Unauthorized(message())),
        403 => Err(Trouble::Forbidden {
            what: call.what(),
            message: message(),
            needs: limits::needed_permission(&reply.headers),
        }),
        404 | 410 => Err(Trouble::NotFound { what: call.what() }),
        400..=499 if status != StatusCode::REQUEST_TIMEOUT => {
            Err(Trouble::Refused { what: call.what(), status: status.as_u16(), message: message() })
        }
        // What a server does not implement it will not implement while we wait.
        501 if call.repeat == Repeat::Always => {
            Err(Trouble::Refused { what: call.what(), status: status.as_u16(), message: message() })
        }
        other => Ok(Sorted::Broken(limits::retry_after(&reply.headers), format!("HTTP {other}"))),
    }
}

/// GraphQL answers 200 whatever happened, and tells of limits and of its own failures inside.
/// <https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>
fn queried(reply: Reply) -> Sorted {
    #[derive(Deserialize, Default)]
    struct Told {
        #[serde(default)]
        data: Option<BTreeMap<String, Value>>,
        #[serde(default)]
        errors: Option<Vec<One>>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(rename = "type", default)]
        kind: Option<String>,
        #[serde(default)]
        message: String,
        #[serde(default)]
        extensions: Value,
    }
    let told: Told = serde_json::from_slice(&reply.body).unwrap_or_default();
    let errors = told.errors.unwrap_or_default();
    let limited = |one: &One| one.kind.as_deref().is_some_and(|kind| matches!(kind, "RATE_LIMITED" | "RATE_LIMIT"));
    if errors.iter().any(limited) {
        return Sorted::Limited(limits::asked(&reply.headers), "GitHub's rate limit (GraphQL)".to_owned());
    }
    // An error with a type or a code is about the query or the token; one without is GitHub's own.
    let explained = errors.iter().any(|one| one.kind.is_some() || one.extensions.get("code").is_some());
    let data = told.data.is_some_and(|data| data.values().any(|value| !value.is_null()));
    let failed = errors.iter().any(|one| one.message.starts_with("Something went wrong"));
    if explained || (data && !failed) {
        return Sorted::Done(reply);
    }
    let why = errors.first().map(|one| words(one.message.as_bytes()));
    Sorted::Broken(None, why.unwrap_or_else(|| "an answer without data".to_owned()))
}

fn is_json(body: &[u8]) -> bool {
    body.is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// GitHub's own words in an error body, at most a few hundred characters of them.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Basic {
        message: String,
        #[serde(default)]
        errors: Value,
    }
    let text = match serde_json::from_slice::<Basic>(body) {
        Ok(basic) => {
            let details: Vec<String> =
                details(&basic.errors).into_iter().filter(|detail| !basic.message.contains(detail)).collect();
            if details.is_empty() { basic.message } else { format!("{}: {}", basic.message, details.join("; ")) }
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect()
}

/// What is wrong in particular.
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed>
fn details(errors: &Value) -> Vec<String> {
    let one = |error: &Value| {
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        match (error.as_str(), text("field"), text("message").or(text("code"))) {
            (Some(words), ..) => words.to_owned(),
            (None, Some(field), Some(words)) if !words.contains(field) => format!("{field}: {words}"),
            (None, _, Some(words)) => words.to_owned(),
            _ => error.to_string(),
        }
    };
    match errors {
        Value::Null => Vec::new(),
        Value::Array(errors) => errors.iter().map(one).collect(),
        other => vec![one(other)],
    }
}
