//! A request and its answer, without any socket.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

/// What a client asked.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Without query and without the API's prefix (`/api/v3` on Enterprise Server).
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The body as JSON, or null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What GitHub says.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Answer {
        Answer::text(status, "application/json; charset=utf-8", body.to_string())
    }

    pub fn text(status: u16, content_type: &str, body: impl Into<String>) -> Answer {
        let mut answer = Answer::empty(status);
        answer.body = body.into();
        answer.with("content-type", content_type)
    }

    pub fn empty(status: u16) -> Answer {
        Answer { status, headers: BTreeMap::new(), body: String::new() }
    }

    /// An error in GitHub's shape.
    pub fn error(status: u16, message: &str, documentation: &str) -> Answer {
        let url = format!("https://docs.github.com/rest{documentation}");
        let body = json!({"message": message, "documentation_url": url, "status": status.to_string()});
        Answer::json(status, &body)
    }

    pub fn not_found() -> Answer {
        Answer::error(404, "Not Found", "")
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// The body as JSON, or null.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// Weak, over the body, as on github.com.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", &digest(&self.body))
    }
}

/// Forty hexadecimal digits that depend on the text alone; stands in for SHA-1 wherever GitHub shows one.
pub fn digest(text: &str) -> String {
    let hash = |of: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        of(&mut hasher);
        hasher.finish()
    };
    let first = hash(&|hasher| text.hash(hasher));
    let second = hash(&|hasher| (first, 1).hash(hasher));
    let third = hash(&|hasher| (first, 2).hash(hasher));
    let mut hex = format!("{first:016x}{second:016x}{third:016x}");
    hex.truncate(40);
    hex
}

/// Turns `%2F` and `+` back, as in a query.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Makes a text fit for a query.
pub fn percent_encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A query as in an address: `a=1&b=2`, with `+` for a space.
pub fn parse_query(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (percent_decode(k), percent_decode(&v.replace('+', " "))))
        .collect()
}
