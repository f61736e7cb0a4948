//! From a parser's events to the tree: aliases, merges, scalars, and the words for what is no YAML.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use regex_lite::Regex;

use super::{Key, Mistake, Node, Place, Value};
use crate::finding::quoted;

/// The nesting no such file needs.
const DEEPEST: usize = 64;
/// The nodes no such file needs. Aliases of aliases could make more of a few lines than any memory holds.
const MOST: usize = 100_000;

/// <https://yaml.org/spec/1.2.2/#1032-tag-resolution>
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
    )
    .ok()
});

/// The one document of a text.
pub(super) fn document(text: &str) -> Result<Node, Mistake> {
    let options = granit_parser::options! { flow_nesting_limit: DEEPEST, block_nesting_limit: DEEPEST };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut composer = Composer { parser, anchors: BTreeMap::new(), made: 0 };
    let mut document = None;
    loop {
        match composer.next()? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(..), span) if document.is_some() => {
                return Err((
                    place(span.start),
                    "a second document begins here (`---`): the file must be one".to_owned(),
                ));
            }
            (Event::DocumentStart(..), _) => {
                let (event, span) = composer.next()?;
                document = Some(composer.node(event, span, 0)?);
            }
            _ => {}
        }
    }
    Ok(document.unwrap_or(Node { place: Place { line: 1, column: 1 }, value: Value::Null }))
}

struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// What aliases stand for.
    anchors: BTreeMap<usize, Node>,
    /// The nodes there are.
    made: usize,
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Mistake> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(told(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Mistake> {
        let place = place(span.start);
        self.charge(place, 1, depth)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref(), place)?, anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let meant = self.meant(anchor, place)?;
                let (nodes, height) = size(&meant);
                self.charge(place, nodes, depth + height)?;
                return Ok(Node { place, ..meant });
            }
            _ => (Value::Null, 0),
        };
        let node = Node { place, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn charge(&mut self, place: Place, nodes: usize, depth: usize) -> Result<(), Mistake> {
        self.made = self.made.saturating_add(nodes);
        if self.made > MOST || depth > DEEPEST {
            return Err((place, TOO_LARGE.to_owned()));
        }
        Ok(())
    }

    fn meant(&self, anchor: usize, place: Place) -> Result<Node, Mistake> {
        let inside = || (place, "it names an anchor (`*name`) inside of what that stands for".to_owned());
        self.anchors.get(&anchor).cloned().ok_or_else(inside)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Mistake> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Mistake> {
        let mut pairs = Vec::new();
        let mut merged = Vec::new();
        let mut names = BTreeSet::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd | Event::StreamEnd, _) => break,
                next => next,
            };
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.key(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if !names.insert(key.name.clone()) {
                let what = format!("the key {} is there twice: every key must be there once", quoted(&key.name));
                return Err((key.place, what));
            }
            if merges {
                merged.extend(merge(value)?);
            } else {
                pairs.push((key, value));
            }
        }
        // What a mapping says itself counts, and of several merged ones the first.
        pairs.extend(merged.into_iter().filter(|(key, _)| names.insert(key.name.clone())));
        Ok(Value::Map(pairs))
    }

    fn key(&mut self, event: Event<'a>, span: Span) -> Result<Key, Mistake> {
        let place = place(span.start);
        let no_text = || (place, "a key must be a text".to_owned());
        let name = match event {
            // Numbers and truth values are keys as they are written.
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), place)?;
                let name = (value != Value::Null).then(|| text.into_owned()).ok_or_else(no_text)?;
                if anchor != 0 {
                    self.anchors.insert(anchor, Node { place, value });
                }
                name
            }
            Event::Alias(anchor) => match self.meant(anchor, place)?.value {
                Value::Text(text) | Value::Number(text) => text,
                Value::Bool(value) => value.to_string(),
                _ => return Err(no_text()),
            },
            _ => return Err(no_text()),
        };
        Ok(Key { place, name })
    }
}

const TOO_LARGE: &str = "it is too large, or nested too deeply";

fn place(marker: Marker) -> Place {
    let number = |number: usize| u64::try_from(number).unwrap_or_default();
    Place { line: number(marker.line()).max(1), column: number(marker.col()) + 1 }
}

/// How many nodes there are, and how many lie above each other.
fn size(node: &Node) -> (usize, usize) {
    let (items, pairs) = (node.items().iter(), node.pairs().iter().map(|(_, node)| node));
    let inner = items.chain(pairs).map(size);
    let (nodes, height) = inner.fold((1, 0), |(nodes, height), (more, inner)| (nodes + more, height.max(inner)));
    (nodes, height + 1)
}

/// What `<<` brings. <https://yaml.org/type/merge.html>
fn merge(node: Node) -> Result<Vec<(Key, Node)>, Mistake> {
    let refused = |place| Err((place, "`<<` takes a mapping or a list of mappings".to_owned()));
    match node.value {
        Value::Map(pairs) => Ok(pairs),
        Value::List(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.value {
                    Value::Map(pairs) => all.extend(pairs),
                    _ => return refused(item.place),
                }
            }
            Ok(all)
        }
        _ => refused(node.place),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Value, Mistake> {
    let plain = style == ScalarStyle::Plain;
    let wanted = tag.and_then(Tag::core_suffix);
    let value = match wanted {
        Some("str") => return Ok(Value::Text(text.to_owned())),
        Some("null" | "bool" | "int" | "float") => resolved(text),
        _ if plain => resolved(text),
        _ => return Ok(Value::Text(text.to_owned())),
    };
    let fits = match wanted {
        Some("null") => value == Value::Null,
        Some("bool") => matches!(value, Value::Bool(_)),
        Some("int" | "float") => matches!(value, Value::Number(_)),
        _ => true,
    };
    if fits { Ok(value) } else { Err((place, format!("{} is not what its tag says", quoted(text)))) }
}

fn resolved(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number if NUMBER.as_ref().is_some_and(|form| form.is_match(number)) => Value::Number(number.to_owned()),
        text => Value::Text(text.to_owned()),
    }
}

/// The library speaks to programmers: what is common is said in the words of who writes such a file.
fn told(error: &ScanError) -> Mistake {
    let what = match error.kind() {
        ErrorKind::RecursionLimitExceeded => TOO_LARGE.to_owned(),
        ErrorKind::UnknownAnchor => "it names an anchor (`*name`) that no `&name` before it defines".to_owned(),
        ErrorKind::UnexpectedEof
        | ErrorKind::UnexpectedEofBlockMapping
        | ErrorKind::UnexpectedEofBlockSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofImplicitFlowMapping => "the file ends in the middle of a value".to_owned(),
        ErrorKind::MultipleDocumentsUnsupported => "a second document begins here: the file must be one".to_owned(),
        other => format!("it is no YAML: {other}"),
    };
    (place(*error.marker()), what)
}
