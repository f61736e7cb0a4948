//! Issue comments, and who writes them.
//!
//! <https://docs.github.com/en/rest/issues/comments>

use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

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
    /// It is an app's account, as far as that is told.
    pub bot: bool,
}

impl Viewer {
    /// Whether two sights are of one account. Numbers decide; names only where a number is missing.
    pub fn is(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(own), Some(other)) => own == other,
            // An app's account is `x[bot]`, which some answers call `x`. No person's name can hold brackets.
            _ => {
                let short_of = |bot: &Self, name: &str| bot.bot && bot.login.strip_suffix("[bot]") == Some(name);
                let same = self.login == other.login;
                !self.login.is_empty()
                    && !other.login.is_empty()
                    && (same || short_of(self, &other.login) || short_of(other, &self.login))
            }
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
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

impl From<WireUser> for Viewer {
    fn from(wire: WireUser) -> Self {
        Self { id: wire.id, login: wire.login, bot: wire.kind.as_deref() == Some("Bot") }
    }
}

impl From<Wire> for Comment {
    fn from(wire: Wire) -> Self {
        let author = wire.user.map(Viewer::from).unwrap_or_default();
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
    viewer: Option<ViewerWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ViewerWire {
    login: String,
    /// Of another kind than a number it says nothing.
    #[serde(default)]
    database_id: Value,
}

impl Github {
    /// This token's own account. `GET /user` is closed to a job's token, GraphQL is not.
    /// <https://docs.github.com/en/graphql/reference/queries#viewer>
    pub async fn viewer(&self) -> Result<Viewer, Trouble> {
        let reply = self.http.graphql("query { viewer { login databaseId } }").await?;
        let wire: ViewerReply = parse(&reply, "POST /graphql")?;
        match wire.data.and_then(|data| data.viewer) {
            Some(viewer) => Ok(Viewer { id: viewer.database_id.as_u64(), login: viewer.login, bot: false }),
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

    /// Writes a new comment. It is not repeated when the answer is missing or cannot be used: look for it instead.
    pub async fn create_comment(&self, pull_request: u64, body: &str) -> Result<Comment, Trouble> {
        let path = format!("{}/issues/{pull_request}/comments", self.repo);
        let body = json!({ "body": body }).to_string();
        let call = Call::write(Method::POST, &path, Some(body), Repeat::UnlessSent, Kind::Write);
        let reply = self.http.send(&call).await?;
        match parse::<Wire>(&reply, &path) {
            Ok(wire) => Ok(wire.into()),
            Err(trouble) => Err(Trouble::Unanswered { what: call.what(), why: trouble.to_string() }),
        }
    }

    /// Replaces a comment's text, as long as that is `allowed`, which is asked right before each try. Tells whether a
    /// try was not answered, and so may still take effect.
    pub async fn update_comment(
        &self,
        id: u64,
        body: &str,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<bool, Trouble> {
        self.edit_comment(id, body, Repeat::Always, allowed).await
    }

    /// The same in one try: with [`Trouble::Unanswered`] it is not sure.
    pub async fn update_comment_once(
        &self,
        id: u64,
        body: &str,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.edit_comment(id, body, Repeat::Never, allowed).await.map(drop)
    }

    async fn edit_comment(
        &self,
        id: u64,
        body: &str,
        repeat: Repeat,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<bool, Trouble> {
        let path = format!("{}/issues/comments/{id}", self.repo);
        let body = json!({ "body": body }).to_string();
        let call = Call::write(Method::PATCH, &path, Some(body), repeat, Kind::Write);
        self.http.send_while(&call, allowed).await.map(|reply| reply.doubtful)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_known_by_its_number_and_without_one_by_its_name() {
        let account = |id, login: &str, bot| Viewer { id, login: login.to_owned(), bot };
        let own = account(None, "deployer", false);
        assert!(own.is(&account(Some(7), "deployer", false)));
        assert!(own.is(&account(Some(7), "deployer[bot]", true)));
        assert!(account(Some(7), "deployer[bot]", true).is(&own));
        assert!(!own.is(&account(Some(7), "deployer[bot]", false)));
        assert!(!own.is(&account(Some(7), "deployer2[bot]", true)));
        assert!(!account(None, "", false).is(&account(None, "[bot]", true)));
        assert!(!account(Some(8), "deployer", false).is(&account(Some(7), "deployer[bot]", true)));
        assert!(account(Some(7), "old-name", false).is(&account(Some(7), "deployer", false)));
    }
}
