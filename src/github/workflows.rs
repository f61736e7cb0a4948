//! Workflows: their files, and dispatching them.
//!
//! <https://docs.github.com/en/rest/actions/workflows>

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::{
    Github, Trouble,
    http::{Call, RAW, Repeat},
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
struct Encoded {
    encoding: String,
    content: String,
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

    fn contents(&self, path: &str, git_ref: &str) -> String {
        let segments: Vec<String> = path.split('/').map(segment).collect();
        format!("{}/contents/{}?ref={}", self.repo, segments.join("/"), segment(git_ref))
    }

    /// Whether there is a file or folder of this name at a ref.
    pub async fn exists(&self, path: &str, git_ref: &str) -> Result<bool, Trouble> {
        let path = self.contents(path, git_ref);
        match self.http.send(&Call::get(&path)).await {
            Ok(_) => Ok(true),
            Err(Trouble::NotFound { .. }) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// The text of a file at a ref.
    /// <https://docs.github.com/en/rest/repos/contents#get-repository-content>
    pub async fn file(&self, path: &str, git_ref: &str) -> Result<String, Trouble> {
        let path = self.contents(path, git_ref);
        let reply = self.http.send(&Call { accept: RAW, ..Call::get(&path) }).await?;
        // A server that does not know the raw media type answers with the file inside JSON.
        let inside = serde_json::from_slice::<Encoded>(&reply.body).ok().filter(|file| file.encoding == "base64");
        let decoded = inside.and_then(|file| STANDARD.decode(file.content.replace(['\n', '\r'], "")).ok());
        String::from_utf8(decoded.unwrap_or_else(|| reply.body.to_vec())).map_err(|_| Trouble::Refused {
            what: path,
            status: reply.status.as_u16(),
            message: "the file is not UTF-8".to_owned(),
        })
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
