//! Workflows, and dispatching them.
//!
//! <https://docs.github.com/en/rest/actions/workflows>

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::{
    Github, Trouble,
    http::{Call, Repeat},
    limits::Kind,
    parse,
};

/// What a segment of a path may hold unencoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What came of a dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dispatched {
    /// Accepted, with the run's id.
    Run(u64),
    /// Accepted by a server that does not tell the run's id.
    Unnamed,
    /// Surely not accepted, and what is wrong is this dispatch.
    Refused(String),
    /// Surely not accepted, and what is wrong is the token: no other dispatch would be accepted either.
    Forbidden(Trouble),
    /// It may or may not have been accepted.
    Unknown(String),
    /// Nothing was sent.
    Unsent(Trouble),
}

/// A workflow as GitHub knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowState {
    /// `active`, `disabled_manually`, …
    #[serde(default)]
    pub state: String,
}

#[derive(Deserialize)]
struct Accepted {
    workflow_run_id: u64,
}

impl Github {
    /// A workflow, by its file name. GitHub knows those on the default branch.
    pub async fn workflow(&self, file: &str) -> Result<WorkflowState, Trouble> {
        self.get(&format!("{}/actions/workflows/{}", self.repo, segment(file))).await
    }

    /// Dispatches a workflow. Sent once: again only if it was surely not accepted.
    ///
    /// The answer names the run on github.com and on Enterprise Server from 3.21. An older one answers 204,
    /// or refuses the field, which accepts nothing, so that it is asked again without.
    pub async fn dispatch(&self, workflow: &str, git_ref: &str, inputs: &BTreeMap<String, String>) -> Dispatched {
        let path = format!("{}/actions/workflows/{}/dispatches", self.repo, segment(workflow));
        let mut body = json!({ "ref": git_ref, "inputs": inputs, "return_run_details": true });
        let send = async |body: String| {
            let call = Call::write(Method::POST, &path, Some(body), Repeat::UnlessSent, Kind::Dispatch);
            self.http.send(&call).await
        };
        let mut result = send(body.to_string()).await;
        if let Err(Trouble::Refused { status: 400 | 422, message, .. }) = &result
            && message.contains("return_run_details")
        {
            if let Some(body) = body.as_object_mut() {
                body.remove("return_run_details");
            }
            result = send(body.to_string()).await;
        }
        match result {
            Ok(reply) if reply.status.as_u16() == 204 => Dispatched::Unnamed,
            Ok(reply) => match parse::<Accepted>(&reply, &path) {
                Ok(accepted) => Dispatched::Run(accepted.workflow_run_id),
                Err(trouble) => Dispatched::Unknown(trouble.to_string()),
            },
            Err(Trouble::Unanswered { why, .. }) => Dispatched::Unknown(why),
            Err(
                trouble @ (Trouble::OutOfTime { .. }
                | Trouble::Stopped
                | Trouble::Overtaken
                | Trouble::Unauthorized(_)
                | Trouble::Untrusted(_)),
            ) => Dispatched::Unsent(trouble),
            Err(trouble @ Trouble::Forbidden { .. }) => Dispatched::Forbidden(trouble),
            Err(trouble @ (Trouble::NotFound { .. } | Trouble::Refused { .. })) => {
                Dispatched::Refused(trouble.to_string())
            }
        }
    }
}

/// Text as one segment of a path or one value of a query.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}
