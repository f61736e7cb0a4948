//! GitHub's API: the only place that knows of HTTP, octocrab and GitHub's JSON.
//!
//! Answers become own small types at this door. They are lenient: what is not needed is not looked at, and
//! what GitHub may leave out is optional. Nothing here approves or rejects; there is no such call.

mod answer;
mod client;
mod comments;
mod contents;
mod environments;
mod http;
mod limits;
mod patience;
mod pulls;
mod runs;
mod silence;
mod workflows;

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};

use self::http::{Call, Http, Reply};
pub use self::{
    answer::Trouble,
    comments::{Comment, Viewer},
    contents::Folder,
    environments::{Environment, Pattern, Policy, Rules},
    limits::Budget,
    patience::Patience,
    pulls::{ChangedFile, Pull},
    runs::Fresh,
    workflows::{Dispatched, WorkflowState},
};
use crate::{context::Context, inputs::Inputs, run::Time, tempo::Tempo};

/// One repository, seen with one token.
#[derive(Debug, Clone)]
pub struct Github {
    http: Http,
    /// `/repos/owner/name`
    repo: String,
}

impl Github {
    /// A client for the repository of this run. Nothing is requested yet.
    ///
    /// # Errors
    /// The HTTP client cannot start.
    pub fn new(context: &Context, inputs: &Inputs, tempo: Tempo, patience: Patience) -> Result<Self, String> {
        Ok(Self {
            http: Http::new(&context.api_url, &inputs.token, &context.proxy, tempo, patience)?,
            repo: format!("/repos/{}", context.repository),
        })
    }

    /// The same client with another patience.
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self { http: self.http.with_patience(patience), repo: self.repo.clone() }
    }

    /// The time by GitHub's clock, in whole seconds.
    pub fn now(&self) -> Time {
        self.http.now()
    }

    /// Whether a dispatch is answered with the run it makes, as far as the server's version tells: github.com
    /// and Enterprise Server from 3.21. Known after the first answer, or after [`Github::learn_version`].
    /// <https://docs.github.com/en/enterprise-server@3.21/rest/actions/workflows#create-a-workflow-dispatch-event>
    pub fn names_runs(&self) -> bool {
        const FIRST: (u64, u64) = (3, 21);
        self.http.enterprise_version().is_none_or(|version| {
            let digits = version.trim_start_matches(|letter: char| !letter.is_ascii_digit());
            let mut numbers = digits.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
            (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= FIRST
        })
    }

    /// Asks an Enterprise Server for its version where its answers do not tell it.
    /// <https://docs.github.com/en/enterprise-server/rest/meta/meta#get-github-enterprise-server-meta-information>
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn learn_version(&self) -> Result<(), Trouble> {
        #[derive(Deserialize)]
        struct Meta {
            #[serde(default)]
            installed_version: Option<String>,
        }
        if !self.http.hides_version() {
            return Ok(());
        }
        match self.get::<Meta>("/meta").await {
            Ok(meta) => meta.installed_version.iter().for_each(|version| self.http.note_version(version)),
            // Then it is taken for a new one, which a dispatch will show.
            Err(Trouble::Forbidden { .. } | Trouble::NotFound { .. } | Trouble::Refused { .. }) => {}
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    /// How many requests so far count against the primary limit.
    pub fn counted(&self) -> u64 {
        self.http.counted()
    }

    /// How many dispatches the pace of writes has room for in this hour.
    pub fn room(&self) -> usize {
        self.http.room()
    }

    /// Whether the pace of writes has a place for an edit that can wait.
    pub fn spares_an_edit(&self) -> bool {
        self.http.spares_an_edit()
    }

    /// What GitHub last said of the rate limit.
    pub fn budget(&self) -> Budget {
        self.http.budget()
    }

    /// Pauses before something that came to nothing so many times is done anew.
    ///
    /// # Errors
    /// Patience ended.
    pub async fn back_off(&self, times: u32) -> Result<(), Trouble> {
        self.http.back_off(times).await
    }

    /// How long things take or may take.
    pub fn tempo(&self) -> Tempo {
        self.http.tempo()
    }

    /// The same with patience for no longer than `length`.
    pub fn within(&self, length: Duration) -> Self {
        Self { http: self.http.within(length), ..self.clone() }
    }

    /// Waits.
    ///
    /// # Errors
    /// Patience ended.
    pub async fn wait(&self, length: Duration) -> Result<(), Trouble> {
        self.http.wait(length).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let call = Call::get(path);
        parse(&self.http.send(&call).await?, path)
    }

    /// All pages of a list.
    async fn all<T: DeserializeOwned>(&self, path: &str, most_pages: u32) -> Result<Vec<T>, Trouble> {
        self.all_in(path, most_pages, |items: Vec<T>| items).await
    }

    /// All pages of a list that stands in an object.
    async fn all_in<W: DeserializeOwned, T>(
        &self,
        path: &str,
        most_pages: u32,
        items: impl Fn(W) -> Vec<T>,
    ) -> Result<Vec<T>, Trouble> {
        let mut all = Vec::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        for page in 1..=most_pages {
            let path = format!("{path}{joint}per_page=100&page={page}");
            let reply = self.http.send(&Call::get(&path)).await?;
            let page = items(parse(&reply, &path)?);
            let full = page.len() >= 100;
            all.extend(page);
            if !has_next(&reply, full) {
                break;
            }
        }
        Ok(all)
    }
}

/// Whether a list goes on: GitHub says so in `link`; a server that does not is believed by the page's size.
fn has_next(reply: &Reply, full: bool) -> bool {
    match reply.headers.get("link").and_then(|link| link.to_str().ok()) {
        Some(link) => link.contains("rel=\"next\""),
        None => full,
    }
}

fn parse<T: DeserializeOwned>(reply: &Reply, path: &str) -> Result<T, Trouble> {
    serde_json::from_slice(&reply.body).map_err(|error| Trouble::Refused {
        what: path.split('?').next().unwrap_or_default().to_owned(),
        status: reply.status.as_u16(),
        message: format!("an answer of another shape than GitHub documents ({error})"),
    })
}
