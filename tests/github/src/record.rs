//! What was asked and answered, kept in the world and, if wanted, in a file for checking.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::clock::Millis;

/// Names the directory into which exchanges are written, a JSON line each.
pub const RECORD_EXCHANGES: &str = "RECORD_EXCHANGES";

/// One request and what became of it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Counted from 1.
    pub number: u64,
    pub at: Millis,
    pub method: String,
    pub path: String,
    /// The path template of GitHub's OpenAPI description.
    pub route: Option<&'static str>,
    pub query: BTreeMap<String, String>,
    /// Without the token.
    pub request_headers: BTreeMap<String, String>,
    pub request_body: String,
    /// What was, or would have been, answered.
    pub status: u16,
    pub response_headers: BTreeMap<String, String>,
    pub response_body: String,
    /// The fault that spoilt it.
    pub fault: Option<&'static str>,
}

impl Exchange {
    /// What was sent: JSON where it is JSON, null where there is nothing, else text.
    pub fn sent(&self) -> Value {
        as_json(&self.request_body)
    }

    /// What was answered, likewise.
    pub fn answered(&self) -> Value {
        as_json(&self.response_body)
    }

    fn line(&self) -> String {
        let line = json!({
            "method": self.method, "path": self.path, "route": self.route, "query": self.query,
            "request_headers": self.request_headers, "request_body": self.sent(),
            "status": self.status, "response_headers": self.response_headers,
            "response_body": self.answered(), "fault": self.fault,
        });
        format!("{line}\n")
    }
}

fn as_json(body: &str) -> Value {
    match serde_json::from_str(body) {
        Ok(value) => value,
        Err(_) if body.is_empty() => Value::Null,
        Err(_) => Value::String(body.to_owned()),
    }
}

/// A file of this world's own, if exchanges are to be recorded.
#[derive(Debug, Default)]
pub(crate) struct Record(Option<File>);

static WORLDS: AtomicU32 = AtomicU32::new(0);

impl Record {
    /// A file in the directory that the environment names, if it names one.
    pub fn from_environment() -> Record {
        let Some(directory) = std::env::var_os(RECORD_EXCHANGES).filter(|d| !d.is_empty()) else {
            return Record(None);
        };
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}.jsonl", std::process::id());
        let opened = fs::create_dir_all(&directory)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(Path::new(&directory).join(name)));
        Record(Some(opened.expect("a directory that can be written, named by RECORD_EXCHANGES")))
    }

    pub fn write(&mut self, exchange: &Exchange) {
        if let Some(file) = &mut self.0 {
            file.write_all(exchange.line().as_bytes()).expect("room to record exchanges");
        }
    }
}
