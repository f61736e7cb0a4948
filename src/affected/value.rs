//! The values of a JSON list: borrowed from its text where that is possible.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::text::bare;
use crate::finding::quoted;

/// A string.
pub(super) struct Text<'de>(pub Cow<'de, str>);

/// A string that says something.
pub(super) struct Name<'de>(pub Cow<'de, str>);

/// A string; `null` and "" are none: Atmos' upload form has "" in the fields it strips.
#[derive(Default)]
pub(super) struct Word<'de>(pub Option<Cow<'de, str>>);

/// A string on one line that says something.
pub(super) struct Called(pub String);

/// A string on one line; `null` and blanks are none.
pub(super) struct Line(pub Option<String>);

/// A path from the repository's root; `null` and blanks are none.
pub(super) struct Path(pub Option<String>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Checked(|_| Ok(()))).map(|text| Text(text.unwrap_or_default()))
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Checked(named)).map(|text| Name(text.unwrap_or_default()))
    }
}

impl<'de> Deserialize<'de> for Word<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Checked(|_| Ok(()))).map(|text| Word(text.filter(|text| !text.is_empty())))
    }
}

impl<'de> Deserialize<'de> for Called {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let check = Checked(|text| named(text).and_then(|()| one_line(text)));
        deserializer.deserialize_str(check).map(|text| Called(text.unwrap_or_default().into_owned()))
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Checked(one_line)).map(|text| Line(spoken(text)))
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = deserializer.deserialize_any(Checked(inside)).map(spoken)?;
        Ok(Path(path.map(|path| bare(&path).to_owned())))
    }
}

fn spoken(text: Option<Cow<'_, str>>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).map(Cow::into_owned)
}

fn named(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Err("is empty: name what is deployed") } else { Ok(()) }
}

fn one_line(text: &str) -> Result<(), &'static str> {
    if text.chars().any(char::is_control) { Err("has a control character: no name should") } else { Ok(()) }
}

fn inside(text: &str) -> Result<(), &'static str> {
    one_line(text)?;
    if text.starts_with('/') {
        Err("is an absolute path: name it relative to the repository's root")
    } else if text.split(['/', '\\']).any(|segment| segment == "..") {
        Err("has a segment `..`: name it relative to the repository's root")
    } else {
        Ok(())
    }
}

/// Takes a string that passes a check. Checked here, a refusal has the string's own place.
struct Checked(fn(&str) -> Result<(), &'static str>);

impl<'de> Visitor<'de> for Checked {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        self.0(text).map_err(E::custom)?;
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.0(text).map_err(E::custom)?;
        Ok(Some(Cow::Owned(text.to_owned())))
    }
}

/// A workflow's inputs. They are strings: a string as it is, null as nothing, numbers and truth values as
/// they are written, the rest as compact JSON.
#[derive(Default)]
pub(super) struct Inputs(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Inputs::default())
    }
}

impl<'de> Visitor<'de> for Inputs {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            // The parser's own words name a place within the value alone.
            let text = text(value.get()).map_err(|_| {
                A::Error::custom(format!("the input {} has an unusable escape, or is nested too deeply", quoted(&name)))
            })?;
            if self.0.contains_key(&name) {
                return Err(A::Error::custom(format!("the input {} is given twice", quoted(&name))));
            }
            self.0.insert(name, text);
        }
        Ok(self)
    }
}

fn text(written: &str) -> Result<String, serde_json::Error> {
    match written.bytes().next() {
        Some(b'"') => serde_json::from_str(written),
        Some(b'n') => Ok(String::new()),
        Some(b'[' | b'{') => serde_json::from_str::<serde_json::Value>(written).map(|value| value.to_string()),
        _ => Ok(written.to_owned()),
    }
}
