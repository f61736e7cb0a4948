//! A YAML document as a tree in which every node knows its place, so that all mistakes can be told at once.
//!
//! Texts are hostile: nesting and what aliases unfold to are limited.

mod compose;

use std::fmt;

use crate::finding::Finding;

/// Where something stands, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Place {
    /// A finding that lies here, in a file.
    pub fn of(self, finding: Finding, file: &str) -> Finding {
        finding.at(file, self.line()).column(u32::try_from(self.column).ok())
    }

    /// The line, for an annotation.
    pub fn line(self) -> Option<u32> {
        u32::try_from(self.line).ok()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// A YAML value, as the core schema of YAML 1.2 has it: `yes` and `on` are texts, as in a workflow file.
/// <https://yaml.org/spec/1.2.2/#103-core-schema>
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, as it is written: an account's leading zero counts.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where.
    pub place: Place,
    /// The key.
    pub name: String,
}

/// Why a text is no YAML, and where.
pub type Mistake = (Place, String);

/// Reads a document. An empty one is [`Value::Null`].
///
/// # Errors
/// Why it is no YAML, and where; duplicate keys are no YAML.
pub fn read(text: &str) -> Result<Node, Mistake> {
    compose::document(text.strip_prefix('\u{feff}').unwrap_or(text))
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; anything else has none.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The pairs of a mapping; anything else has none.
    pub fn pairs(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// A pair of a mapping.
    pub fn pair(&self, name: &str) -> Option<&(Key, Node)> {
        self.pairs().iter().find(|(key, _)| key.name == name)
    }

    /// A value of a mapping.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.pair(name).map(|(_, node)| node)
    }
}

#[cfg(test)]
mod tests;
