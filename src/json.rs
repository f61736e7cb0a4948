//! JSON from outside: read as it comes, so that no value is held which nothing uses, and every mistake told in
//! a sentence with its place.

use serde::de::DeserializeSeed;
use serde_json::error::Category;

/// A place is shown in at most so many characters: a mistake may lie a hundred levels deep.
const LONGEST_PATH: usize = 160;

/// Reads a document with a seed that bounds its own depth: nesting is not limited here.
///
/// # Errors
/// What is wrong, with its place.
pub fn read<'de, S: DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let value = seed.deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| told(text, &error))
}

/// What is wrong with a text, with line, column and, for a value of the wrong kind, its path.
pub fn told(text: &str, error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let whole = error.to_string();
    let what = whole.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&whole);
    let place = format!("(line {line}, column {})", column.max(1));
    match error.classify() {
        Category::Eof => format!("is no JSON: it ends in the middle {place}"),
        Category::Data => format!("at {} {place}: {}", shown(&path(text, line, column)), sentence(what)),
        Category::Syntax | Category::Io => format!("is no JSON: {} {place}", syntax(what)),
    }
}

/// What is no JSON, in words that need no knowledge of parsers.
fn syntax(what: &str) -> &str {
    match what {
        "expected value" => "no value begins here",
        "expected ident" => "no value begins here: `true`, `false` and `null` are the only bare words",
        "trailing characters" => "something follows after its end",
        "key must be a string" => "a key is not in double quotes",
        "recursion limit exceeded" => "it is nested more than 127 deep",
        other if other.starts_with("control character") => "a text holds a control character that is not escaped",
        other => other,
    }
}

/// A value of the wrong kind.
fn sentence(what: &str) -> String {
    let wrong = what.strip_prefix("invalid type: ").or_else(|| what.strip_prefix("invalid value: "));
    if let Some((found, expected)) = wrong.and_then(|rest| rest.rsplit_once(", expected ")) {
        let number = found.strip_prefix("integer ").or_else(|| found.strip_prefix("floating point "));
        let found = match (found, number) {
            ("sequence", _) => "an array".to_owned(),
            ("map", _) => "an object".to_owned(),
            (_, Some(number)) => format!("the number {number}"),
            (text, _) if text.starts_with("string ") => "a string".to_owned(),
            (other, _) => other.trim_start_matches("boolean ").to_owned(),
        };
        let expected = match expected {
            "a boolean" => "`true` or `false`",
            "a map" => "an object",
            "a sequence" => "an array",
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
            other if other.starts_with("struct ") => "an object",
            other => other,
        };
        return format!("{found} stands where {expected} is expected");
    }
    if let Some(field) = what.strip_prefix("missing field ") {
        return format!("the key {field} is missing");
    }
    what.strip_prefix("duplicate field ")
        .map_or_else(|| what.to_owned(), |field| format!("the key {field} is there twice"))
}

/// A step into a document: the place in a list, or the key of an object once it is read.
enum Step<'a> {
    Index(usize),
    Key(Option<&'a str>),
}

/// The path of what is read at a place, such as `[0].stack`; empty for the document itself.
fn path(text: &str, line: usize, column: usize) -> String {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut letters = text.bytes().enumerate().take(start.saturating_add(column));
    while let Some((at, letter)) = letters.next() {
        match (letter, steps.last_mut()) {
            (b'[', _) => steps.push(Step::Index(0)),
            (b'{', _) => steps.push(Step::Key(None)),
            (b']' | b'}', _) => drop(steps.pop()),
            (b',', Some(Step::Index(index))) => *index += 1,
            (b',', Some(Step::Key(key))) => *key = None,
            (b'"', step) => {
                let end = string_end(&mut letters);
                if let (Some(Step::Key(key @ None)), Some(end)) = (step, end) {
                    *key = text.get(at + 1..end);
                }
            }
            _ => {}
        }
    }
    let steps = steps.iter().filter_map(|step| match step {
        Step::Index(index) => Some(format!("[{index}]")),
        Step::Key(key) => key.map(|key| format!(".{key}")),
    });
    steps.collect()
}

/// Goes behind a string's closing quote, and tells where that stands.
fn string_end(letters: &mut impl Iterator<Item = (usize, u8)>) -> Option<usize> {
    while let Some((at, letter)) = letters.next() {
        match letter {
            b'"' => return Some(at),
            b'\\' => drop(letters.next()),
            _ => {}
        }
    }
    None
}

/// The path for people: of a long one the beginning and the end.
fn shown(path: &str) -> String {
    let path = path.trim_start_matches('.').replace('`', "ˋ");
    let count = path.chars().count();
    match count {
        0 => "the whole".to_owned(),
        _ if count <= LONGEST_PATH => format!("`{path}`"),
        _ => {
            let head: String = path.chars().take(LONGEST_PATH / 2).collect();
            let tail: String = path.chars().skip(count - LONGEST_PATH / 2).collect();
            format!("`{head}…{tail}`")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, marker::PhantomData};

    use super::*;

    type Document = Vec<BTreeMap<String, Option<Vec<u8>>>>;

    fn error(text: &str) -> String {
        read(text, PhantomData::<Document>).expect_err(text)
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named_by_its_path_line_and_column() {
        assert_eq!(
            error("[{\"a,]\\\"}\": [1]},\n {\"b\": null,\n  \"c`\": [2, {}]}]"),
            "at `[1].cˋ[1]` (line 3, column 12): an object stands where a whole number is expected"
        );
        assert!(error("[{\"a\": 5}]").starts_with("at `[0].a` (line 1, column 8): the number `5` stands where"));
        assert!(error("[\"x\"]").starts_with("at `[0]` (line 1, column 4): a string stands where"));
        assert!(error("{}").starts_with("at the whole (line 1, column 1): an object stands where"));
    }

    #[test]
    fn what_is_no_json_is_told_without_a_parsers_words() {
        assert_eq!(error("[{\"a"), "is no JSON: it ends in the middle (line 1, column 4)");
        assert_eq!(
            error("[{\"a\": nul}]"),
            "is no JSON: no value begins here: `true`, `false` and `null` are the only bare words (line 1, column 11)"
        );
        assert_eq!(error("[]\n]"), "is no JSON: something follows after its end (line 2, column 1)");
        assert_eq!(error("[{a: 1}]"), "is no JSON: a key is not in double quotes (line 1, column 3)");
        assert!(error("[{\"a\nb\": 1}]").contains("control character that is not escaped"));
    }

    #[test]
    fn a_long_path_is_cut_in_its_middle() {
        let told = shown(&".dependents[0]".repeat(50));
        assert!(told.starts_with("`dependents[0]") && told.contains('…') && told.ends_with("[0]`"), "{told}");
        assert!(told.chars().count() <= LONGEST_PATH + 3);
    }

    proptest::proptest! {
        #[test]
        fn any_text_and_any_place_is_no_panic(text in "[\\[\\]{}\":,\\\\a\\n1 é]{0,30}", line in 0usize..5, column in 0usize..40) {
            let _ = path(&text, line, column);
            let _ = read(&text, PhantomData::<Document>);
        }
    }
}
