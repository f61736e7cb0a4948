//! Files and folders of the repository at a commit.
//!
//! A file is asked for inside JSON: a page of something else, or a body that broke off, is then told from a file.
//!
//! <https://docs.github.com/en/rest/repos/contents#get-repository-content>

use crate::ordered::Ordered;
use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    Github, Trouble,
    http::{Call, RAW},
    parse,
    workflows::segment,
};

/// That a file is not there is believed sooner than of other things: many are not there.
const DENIALS: u32 = 2;

/// How often a file is asked for of which only a part comes.
const TRIES: u32 = 5;

/// GitHub lists no more of a folder than this.
const LONGEST_LIST: usize = 1000;

/// What is known of a folder's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    /// These are in it, and no others.
    Has(BTreeSet<String>),
    /// It has more than GitHub lists.
    Large,
}

impl Github {
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

    /// What is in a folder at a ref; one that is not there has nothing. The repository's own is "".
    pub async fn folder(&self, path: &str, git_ref: &str) -> Result<Folder, Trouble> {
        let path = self.contents(path, git_ref);
        let list: Value = match self.http.send(&Call::get(&path)).await {
            Ok(reply) => parse(&reply, &path)?,
            Err(Trouble::NotFound { .. }) => Value::Null,
            Err(trouble) => return Err(trouble),
        };
        // A file of this name has nothing below it.
        let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
        if entries.len() >= LONGEST_LIST {
            return Ok(Folder::Large);
        }
        let name = |entry: &Value| entry.get("name").and_then(Value::as_str).map(str::to_owned);
        let names: Option<Vec<String>> = entries.iter().map(name).collect();
        Ok(names.map_or(Folder::Large, |names| Folder::Has(names.into_iter().ordered())))
    }

    /// The text of a file at a ref.
    pub async fn file(&self, path: &str, git_ref: &str) -> Result<String, Trouble> {
        let path = self.contents(path, git_ref);
        let refused = |message: &str| Trouble::Refused {
            what: format!("GET {}", path.split('?').next().unwrap_or_default()),
            status: 200,
            message: message.to_owned(),
        };
        for tries in 0..TRIES {
            if let Some(bytes) = self.whole(&path).await?.ok_or_else(|| refused("there is no file of this name"))? {
                return String::from_utf8(bytes).map_err(|_| refused("the file is not UTF-8"));
            }
            self.back_off(tries).await?;
        }
        Err(refused("only a part of the file came"))
    }

    /// A file, unless only a part of it came; `None` of what is no file.
    async fn whole(&self, path: &str) -> Result<Option<Option<Vec<u8>>>, Trouble> {
        let call = Call { denials: DENIALS, ..Call::get(path) };
        let file: Value = parse(&self.http.send(&call).await?, path)?;
        let text = |name: &str| file.get(name).and_then(Value::as_str);
        let bytes = match (text("encoding"), text("content")) {
            (Some("base64"), Some(content)) => {
                let content: String = content.split_ascii_whitespace().collect();
                STANDARD.decode(content).ok()
            }
            // From 1 MB on the file comes only by itself.
            (Some("none"), _) => Some(self.http.send(&Call { accept: RAW, ..call }).await?.body.to_vec()),
            _ => return Ok(None),
        };
        let size = file.get("size").and_then(Value::as_u64).unwrap_or(0);
        // What is larger than was said is whole: the size may be that of a link to it.
        Ok(Some(bytes.filter(|bytes| bytes.len() as u64 >= size)))
    }
}
