//! Issue comments, and who writes them.
//!
//! <https://docs.github.com/en/rest/issues/comments>

use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    Github, Trouble,
    http::{Call, Repeat},
    limits::Kind,
    parse,
};

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id; the oldest has the smallest.
    pub id: u64,
    /// Its page.
    pub url: String,
    /// Its Markdown.
    pub body: String,
    /// Who wrote it.
    pub author: Viewer,
    /// When it was last written.
    pub updated_at: Option<DateTime<Utc>>,
}

/// An account: this token's own, or a comment's author.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Viewer {
    /// The account's number, where it is told.
    pub id: Option<u64>,
    /// The account's name.
    pub login: String,
}

impl Viewer {
    /// Whether two sights are of one account. Numbers decide; names only where a number is missing.
    pub fn is(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(own), Some(other)) => own == other,
            _ => !self.login.is_empty() && self.login == other.login,
        }
    }
}

#[derive(Deserialize)]
struct Wire {
    id: u64,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    issue_url: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<WireUser>,
    #[serde(default)]
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct WireUser {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    login: String,
}

impl From<Wire> for Comment {
    fn from(wire: Wire) -> Self {
        let author = wire.user.map(|user| Viewer { id: user.id, login: user.login }).unwrap_or_default();
        let body = wire.body.unwrap_or_default();
        Self { id: wire.id, url: wire.html_url, body, author, updated_at: wire.updated_at }
    }
}

#[derive(Deserialize)]
struct ViewerReply {
    data: Option<ViewerData>,
    #[serde(default)]
    errors: Option<Vec<GraphqlError>>,
}

#[derive(Deserialize)]
struct GraphqlError {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct ViewerData {
    viewer: ViewerWire,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ViewerWire {
    login: String,
    #[serde(default)]
    database_id: Option<u64>,
}

impl Github {
    /// This token's own account. `GET /user` is closed to a job's token, GraphQL is not.
    /// <https://docs.github.com/en/graphql/reference/queries#viewer>
    pub async fn viewer(&self) -> Result<Viewer, Trouble> {
        let reply = self.http.graphql("query { viewer { login databaseId } }").await?;
        let wire: ViewerReply = parse(&reply, "POST /graphql")?;
        match wire.data {
            Some(ViewerData { viewer }) => Ok(Viewer { id: viewer.database_id, login: viewer.login }),
            None => Err(Trouble::Refused {
                what: "POST /graphql".to_owned(),
                status: reply.status.as_u16(),
                message: wire.errors.into_iter().flatten().map(|error| error.message).collect::<Vec<_>>().join("; "),
            }),
        }
    }

    /// All comments of a pull request, the oldest first.
    pub async fn comments(&self, pull_request: u64) -> Result<Vec<Comment>, Trouble> {
        let path = format!("{}/issues/{pull_request}/comments", self.repo);
        let mut comments: Vec<Comment> = self.all::<Wire>(&path, 100).await?.into_iter().map(Comment::from).collect();
        comments.sort_by_key(|comment| comment.id);
        comments.dedup_by_key(|comment| comment.id);
        Ok(comments)
    }

    /// Comments of the whole repository that changed since, the latest first, each with its issue's number;
    /// and whether these are all.
    pub async fn recent_comments(
        &self,
        since: DateTime<Utc>,
        most_pages: u32,
    ) -> Result<(Vec<(u64, Comment)>, bool), Trouble> {
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let path = format!("{}/issues/comments?sort=updated&direction=desc&since={since}", self.repo);
        let wires: Vec<Wire> = self.all(&path, most_pages).await?;
        let all = wires.len() < most_pages as usize * 100;
        let placed = wires.into_iter().filter_map(|wire| {
            let issue = wire.issue_url.rsplit('/').next()?.parse().ok()?;
            Some((issue, Comment::from(wire)))
        });
        Ok((placed.collect(), all))
    }

    /// One comment.
    pub async fn comment(&self, id: u64) -> Result<Comment, Trouble> {
        let wire: Wire = self.get(&format!("{}/issues/comments/{id}", self.repo)).await?;
        Ok(wire.into())
    }

    /// Writes a new comment. It is not repeated when the answer is missing: look for it instead.
    pub async fn create_comment(&self, pull_request: u64, body: &str) -> Result<Comment, Trouble> {
        let path = format!("{}/issues/{pull_request}/comments", self.repo);
        let body = json!({ "body": body }).to_string();
        let call = Call::write(Method::POST, &path, Some(body), Repeat::UnlessSent, Kind::Write);
        let wire: Wire = parse(&self.http.send(&call).await?, &path)?;
        Ok(wire.into())
    }

    /// Replaces a comment's text, as long as that is `allowed`, which is asked right before each try.
    pub async fn update_comment(
        &self,
        id: u64,
        body: &str,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.edit_comment(id, body, Repeat::Always, allowed).await
    }

    /// The same in one try: with [`Trouble::Unanswered`] it is not sure.
    pub async fn update_comment_once(
        &self,
        id: u64,
        body: &str,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.edit_comment(id, body, Repeat::Never, allowed).await
    }

    async fn edit_comment(
        &self,
        id: u64,
        body: &str,
        repeat: Repeat,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let path = format!("{}/issues/comments/{id}", self.repo);
        let body = json!({ "body": body }).to_string();
        let call = Call::write(Method::PATCH, &path, Some(body), repeat, Kind::Write);
        self.http.send_while(&call, allowed).await.map(drop)
    }

    /// Deletes a comment; one that is gone already is fine.
    pub async fn delete_comment(&self, id: u64) -> Result<(), Trouble> {
        let path = format!("{}/issues/comments/{id}", self.repo);
        let call = Call::write(Method::DELETE, &path, None, Repeat::Always, Kind::Write);
        match self.http.send(&call).await {
            Ok(_) | Err(Trouble::NotFound { .. }) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }
}
