//! A YAML document as a tree in which every node knows its place, so that all mistakes can be told at once.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use crate::{finding::Finding, yaml};

/// The nesting no such file needs.
const DEEPEST: usize = 32;

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
        finding.at(file, u32::try_from(self.line).ok()).column(u32::try_from(self.column).ok())
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

/// A YAML value.
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

/// Reads a document.
///
/// # Errors
/// Why it is no YAML, and where; duplicate keys are no YAML.
pub fn read(text: &str) -> Result<Node, (Place, String)> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST, max_documents: 1 },
    };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column, what) = yaml::told(&error);
        (Place { line, column }, what)
    })?;
    Ok(node(raw, text))
}

fn place(location: Location) -> Place {
    Place { line: location.line(), column: location.column() }
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let written = || {
        let span = raw.referenced.span();
        let (from, long) = (span.byte_offset()?, span.byte_len()?);
        let from = usize::try_from(from).ok()?;
        text.get(from..from.checked_add(usize::try_from(long).ok()?)?).map(str::trim)
    };
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Number(number) => Value::Number(written().map_or(number, str::to_owned)),
        Raw::Text(text) => Value::Text(text),
        Raw::List(list) => Value::List(list.into_iter().map(|item| node(item, text)).collect()),
        Raw::Map(pairs) => Value::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (Key { place: place(key.referenced), name: key.value }, node(value, text)))
                .collect(),
        ),
    };
    Node { place: place(raw.referenced), value }
}

enum Raw {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places_and_numbers_their_spelling() {
        let tree = read("a: 1\nb:\n  - x\n  - {c: 012345678901, 7: 1.10}\nd: ~\ne: true\nf:\n").unwrap();
        let Value::Map(pairs) = &tree.value else { panic!("{tree:?}") };
        let keys: Vec<String> =
            pairs.iter().map(|(key, _)| format!("{} {}:{}", key.name, key.place.line, key.place.column)).collect();
        assert_eq!(keys, ["a 1:1", "b 2:1", "d 5:1", "e 6:1", "f 7:1"]);
        let Value::List(list) = &pairs[1].1.value else { panic!("{pairs:?}") };
        assert_eq!(list[0], Node { place: Place { line: 3, column: 5 }, value: Value::Text("x".to_owned()) });
        let Value::Map(inner) = &list[1].value else { panic!("{list:?}") };
        assert_eq!(inner[0].1.value, Value::Number("012345678901".to_owned()));
        assert_eq!((inner[1].0.name.as_str(), &inner[1].1.value), ("7", &Value::Number("1.10".to_owned())));
        assert_eq!(pairs[2].1.value, Value::Null);
        assert_eq!(pairs[4].1.value, Value::Null);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        let error = |text| read(text).map(|node| node.value).expect_err(text);
        let (place, told) = error("a: 1\nb: 2\na: 3\n");
        assert_eq!((place.line, place.column), (3, 1), "{told}");
        assert_eq!(told, "the key `a` is there twice: every key must be there once");
        assert!(error("a: [1\n").0.line > 0);
        assert!(read("").is_ok_and(|node| node.value == Value::Null));
        for deep in ["[".repeat(5000), "{a: ".repeat(5000), "- ".repeat(5000)] {
            assert!(read(&deep).is_err());
        }
    }
}
