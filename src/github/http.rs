//! Requests, and the one policy by which they are repeated.
//!
//! octocrab is the client and the authenticator; it repeats nothing itself (its own retries would send a
//! dispatch four times). What changes nothing is repeated until time runs out. A request that deploys is
//! repeated only when it was surely not accepted: nothing was sent, or GitHub refused it for its limits. That
//! something does not exist is believed when GitHub has said so three times: it is wrong at times, about what
//! was just created and while it is not well.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use secrecy::SecretString;
use tokio::time::{Instant, sleep, timeout};

use super::{
    answer::{Sorted, Trouble, sort},
    client::{self, Clients},
    limits::{self, Budget, Kind, Pace, Pauses},
    patience::Patience,
    silence::{Silence, causes, never_sent},
};
use crate::{context::Proxy, tempo::Tempo};

/// An answer larger than this is not read: none of the endpoints used here has one.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// How often GitHub must deny that something exists before it is believed.
const DENIALS: u32 = 3;

/// After so many pauses they grow no more.
const MOST_DOUBLINGS: u32 = 32;

/// After a signal, how long a request that deploys may still wait for its answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// When a request may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Doing it twice is doing it once.
    Always,
    /// Only if it was surely not accepted.
    UnlessSent,
    /// Not at all: who sends it must look again before, since others may have been quicker meanwhile.
    Never,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// The path below the API's address, with its query.
    pub path: &'a str,
    /// The JSON body.
    pub body: Option<String>,
    /// The media type to ask for.
    pub accept: &'static str,
    /// The ETag of what is known already.
    pub etag: Option<&'a str>,
    /// How often GitHub must deny that it exists before it is believed.
    pub denials: u32,
    /// When it may be repeated.
    pub repeat: Repeat,
    /// What kind of write it is, if one.
    pub kind: Kind,
}

/// GitHub's JSON.
pub const JSON: &str = "application/vnd.github+json";
const GRAPHQL: &str = "/graphql";
/// A file's own bytes.
pub const RAW: &str = "application/vnd.github.raw+json";

impl<'a> Call<'a> {
    /// A request that reads.
    pub fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            accept: JSON,
            etag: None,
            denials: DENIALS,
            repeat: Repeat::Always,
            kind: Kind::Read,
        }
    }

    /// A request that writes.
    pub fn write(method: Method, path: &'a str, body: Option<String>, repeat: Repeat, kind: Kind) -> Self {
        Self { method, body, repeat, kind, ..Self::get(path) }
    }

    /// Method and path, for messages.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.method, self.path.split('?').next().unwrap_or_default())
    }

    /// Whether it is of no use without an answer's body.
    pub(super) fn reads(&self) -> bool {
        self.kind == Kind::Read
    }

    /// Whether it is a GraphQL query.
    pub(super) fn is_query(&self) -> bool {
        self.path == GRAPHQL
    }
}

/// An answer of 2xx, or 304 to a conditional request.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// A try before it was sent and not answered: it may still take effect, after this one.
    pub doubtful: bool,
}

/// The client, cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    clients: Clients,
    prefix: String,
    graphql: String,
    tempo: Tempo,
    patience: Patience,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pace: Mutex<Pace>,
    budget: Mutex<Budget>,
    /// Requests that count against the primary limit: 304 does not.
    counted: AtomicU64,
    /// How far GitHub's clock is ahead of this machine's.
    ahead: Mutex<TimeDelta>,
    /// `x-github-enterprise-version`, from the first answer that has it.
    enterprise: OnceLock<String>,
    /// It was asked for its version.
    asked_version: AtomicBool,
}

impl Http {
    /// A client for the API at `api_url`.
    ///
    /// # Errors
    /// The client cannot be built: there are no CA certificates, for one.
    pub fn new(
        api_url: &http::Uri,
        token: &SecretString,
        proxy: &Proxy,
        tempo: Tempo,
        patience: Patience,
    ) -> Result<Self, String> {
        let authority = api_url.authority().map(ToString::to_string).unwrap_or_default();
        let origin = format!("{}://{authority}", api_url.scheme_str().unwrap_or("https"));
        // octocrab would put the base's path before every path, the GraphQL one too: so the base has none.
        let clients = origin
            .parse()
            .map_err(Into::into)
            .and_then(|origin| client::new(&origin, token, tempo.connect, proxy))
            .map_err(|error: Box<dyn std::error::Error + Send + Sync>| {
                format!("the HTTP client cannot start: {}", causes(&*error))
            })?;
        let prefix = api_url.path().trim_end_matches('/').to_owned();
        // <https://docs.github.com/en/enterprise-server/graphql/guides/forming-calls-with-graphql>
        let graphql = prefix.strip_suffix("/v3").unwrap_or(&prefix).to_owned() + "/graphql";
        Ok(Self {
            clients,
            prefix,
            graphql,
            tempo,
            patience,
            shared: Arc::new(Shared {
                pace: Mutex::new(Pace::new(tempo)),
                budget: Mutex::default(),
                ahead: Mutex::default(),
                counted: AtomicU64::new(0),
                enterprise: OnceLock::new(),
                asked_version: AtomicBool::new(false),
            }),
        })
    }

    /// The same client with another patience.
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self { patience, ..self.clone() }
    }

    /// The same client with patience for no longer than `length`.
    pub fn within(&self, length: Duration) -> Self {
        self.with_patience(self.patience.within(length))
    }

    /// The time by GitHub's clock, in whole seconds as GitHub counts: a runner's own may be wrong.
    pub fn now(&self) -> DateTime<Utc> {
        let now = Utc::now() + *self.shared.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
    }

    /// Whether this is an Enterprise Server that has not told its version and was not asked for it. Says so once.
    /// <https://docs.github.com/en/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api>
    pub fn hides_version(&self) -> bool {
        self.prefix.ends_with("/api/v3")
            && self.enterprise_version().is_none()
            && !self.shared.asked_version.swap(true, Ordering::Relaxed)
    }

    /// Keeps the version that was told.
    pub fn note_version(&self, version: &str) {
        self.shared.enterprise.get_or_init(|| version.to_owned());
    }

    /// The version of the Enterprise Server that answers, if one does.
    pub fn enterprise_version(&self) -> Option<&str> {
        self.shared.enterprise.get().map(String::as_str)
    }

    /// How many requests so far count against the primary limit.
    pub fn counted(&self) -> u64 {
        self.shared.counted.load(Ordering::Relaxed)
    }

    /// How many dispatches the hour has room for.
    pub fn room(&self) -> usize {
        self.shared.pace.lock().unwrap_or_else(PoisonError::into_inner).room(Instant::now())
    }

    /// Whether there is a place for an edit that can wait.
    pub fn spares_an_edit(&self) -> bool {
        self.shared.pace.lock().unwrap_or_else(PoisonError::into_inner).spares_an_edit(Instant::now())
    }

    /// What GitHub last said of the rate limit.
    pub fn budget(&self) -> Budget {
        self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a GraphQL query that changes nothing.
    pub async fn graphql(&self, query: &str) -> Result<Reply, Trouble> {
        let body = serde_json::json!({ "query": query }).to_string();
        let call = Call { path: GRAPHQL, ..Call::write(Method::POST, "", Some(body), Repeat::Always, Kind::Read) };
        self.perform(&call, &self.graphql, async || Ok(())).await
    }

    /// Sends a request by the policy of this module.
    pub async fn send(&self, call: &Call<'_>) -> Result<Reply, Trouble> {
        self.send_while(call, async || Ok(())).await
    }

    /// The same for what must give way to others: `allowed` is asked right before each try, after whatever
    /// pause. Where it says [`Trouble::Overtaken`], a try before that may still have been accepted.
    pub async fn send_while(
        &self,
        call: &Call<'_>,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<Reply, Trouble> {
        self.perform(call, &format!("{}{}", self.prefix, call.path), allowed).await
    }

    async fn perform(
        &self,
        call: &Call<'_>,
        uri: &str,
        allowed: impl AsyncFn() -> Result<(), Trouble>,
    ) -> Result<Reply, Trouble> {
        let mut pauses = Pauses::new(self.tempo);
        let (mut last, mut doubtful) = (None, false);
        let (mut tries, mut denials) = (0u32, 0);
        loop {
            self.patience.check(last.clone())?;
            // Often enough to be seen in the log of a job that seems to stand still, and no flood.
            if let Some(why) = last.as_ref().filter(|_| tries >= 4 && tries.is_power_of_two()) {
                tracing::info!("{why}; tried {tries} times, trying again");
            }
            tries += 1;
            self.pace(call.kind).await?;
            allowed().await?;
            let (pause, why) = match self.attempt(call, uri).await? {
                Ok(reply) => match sort(call, reply) {
                    Ok(Sorted::Done(reply)) => return Ok(Reply { doubtful, ..reply }),
                    Ok(Sorted::Limited(asked, why)) => {
                        let pause = pauses.limited(asked);
                        tracing::info!("{}: {why}; waiting {}", call.what(), humantime::format_duration(whole(pause)));
                        (pause, why)
                    }
                    Ok(Sorted::Broken(asked, why)) => {
                        let why = self.broken(call, true, why)?;
                        doubtful = true;
                        (pauses.broken(asked), why)
                    }
                    Err(denied @ Trouble::NotFound { .. }) if denials + 1 < call.denials => {
                        denials += 1;
                        (pauses.broken(None), denied.to_string())
                    }
                    Err(trouble) => return Err(trouble),
                },
                Err(silence) if silence.untrusted => return Err(Trouble::Untrusted(silence.why)),
                Err(silence) => {
                    doubtful |= silence.sent;
                    (pauses.broken(None), self.broken(call, silence.sent, silence.why)?)
                }
            };
            self.patience.pause(pause, Some(why.clone())).await?;
            if call.repeat == Repeat::Never {
                return Err(Trouble::Unanswered { what: call.what(), why });
            }
            last = Some(why);
        }
    }

    /// Whether a request without a usable answer may be repeated; the reason, for the message of the end.
    fn broken(&self, call: &Call<'_>, sent: bool, why: String) -> Result<String, Trouble> {
        tracing::debug!("{}: {why}", call.what());
        if sent && call.repeat == Repeat::UnlessSent {
            return Err(Trouble::Unanswered { what: call.what(), why });
        }
        Ok(format!("{}: {why}", call.what()))
    }

    /// Pauses before something that came to nothing so many times is done anew.
    pub async fn back_off(&self, times: u32) -> Result<(), Trouble> {
        let mut pauses = Pauses::new(self.tempo);
        let mut pause = pauses.broken(None);
        for _ in 0..times.min(MOST_DOUBLINGS) {
            pause = pauses.broken(None);
        }
        self.patience.pause(pause, None).await
    }

    /// How long things take or may take.
    pub fn tempo(&self) -> Tempo {
        self.tempo
    }

    /// Waits.
    pub async fn wait(&self, length: Duration) -> Result<(), Trouble> {
        self.patience.pause(length, None).await
    }

    async fn pace(&self, kind: Kind) -> Result<(), Trouble> {
        loop {
            let pause = self.shared.pace.lock().unwrap_or_else(PoisonError::into_inner).admit(kind, Instant::now());
            match pause {
                None => return Ok(()),
                Some(pause) => self.patience.pause(pause, None).await?,
            }
        }
    }

    /// Sends once. A request that only reads is dropped when a signal comes; one that deploys is given a
    /// moment for its answer, since not knowing costs more than waiting.
    async fn attempt(&self, call: &Call<'_>, uri: &str) -> Result<Result<Reply, Silence>, Trouble> {
        let once = async {
            match timeout(self.tempo.request, self.once(call, uri)).await {
                Ok(result) => result,
                Err(_) => Err(Silence::after("no answer in time")),
            }
        };
        let stopped = async {
            let trouble = self.patience.end().await;
            if call.repeat == Repeat::UnlessSent {
                sleep(LAST_ANSWER).await;
            }
            trouble
        };
        tokio::select! {
            biased;
            result = once => Ok(result),
            trouble = stopped => match call.repeat {
                Repeat::Always | Repeat::Never => Err(trouble),
                Repeat::UnlessSent => Ok(Err(Silence::after("stopped while waiting for the answer"))),
            },
        }
    }

    async fn once(&self, call: &Call<'_>, uri: &str) -> Result<Reply, Silence> {
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header(header::ACCEPT, call.accept)
            .header("X-GitHub-Api-Version", "2022-11-28");
        if let Some(etag) = call.etag {
            builder = builder.header(header::IF_NONE_MATCH, etag);
        }
        if call.body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        let request =
            builder.body(call.body.clone().unwrap_or_default()).map_err(|error| Silence::of(&error, false))?;
        let client = if call.repeat == Repeat::Always { &self.clients.keeping } else { &self.clients.fresh };
        let response = client.execute(request).await.map_err(|error| Silence::of(&error, !never_sent(&error)))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| Silence::after(&format!("the answer broke off: {error}")))?
            .to_bytes();
        tracing::debug!("{} {uri} → {}", call.method, parts.status.as_u16());
        let reply = Reply { status: parts.status, headers: parts.headers, body, doubtful: false };
        self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner).note(&reply.headers);
        if let Some(version) = reply.headers.get("x-github-enterprise-version").and_then(|value| value.to_str().ok()) {
            self.note_version(version);
        }
        if reply.status != StatusCode::NOT_MODIFIED {
            self.shared.counted.fetch_add(1, Ordering::Relaxed);
        }
        // Error pages of whatever stands before GitHub tell no time of GitHub's.
        let told = reply.status.is_success() || reply.status == StatusCode::NOT_MODIFIED;
        if let Some(ahead) = limits::clock_ahead(&reply.headers, Utc::now()).filter(|_| told) {
            *self.shared.ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
        }
        Ok(reply)
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}
