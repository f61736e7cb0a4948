//! A plain text: one path or name a line, as `terramate list --changed`, `git diff --name-only`,
//! `nx show projects --affected` and `bazel query` print.

use std::{borrow::Cow, collections::HashSet};

use crate::finding::quoted;

/// A path or name, and the line where it first stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The path or name.
    pub text: String,
    /// The line, from 1.
    pub number: usize,
}

/// The longest path any system knows.
const LONGEST: usize = 4096;

/// The lines that say something, each once.
pub(super) fn lines(text: &str) -> Result<Vec<Line>, String> {
    let mut seen = HashSet::new();
    let mut lines = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            continue;
        }
        let told = |line: &str, what: &str| {
            let shown: String = line.chars().take(100).collect();
            format!("line {}: {} {what}", index + 1, quoted(&shown))
        };
        let path = path(line).map_err(|what| told(line, what))?;
        if seen.contains(&path) {
            continue;
        }
        check(&path).map_err(|what| told(&path, what))?;
        lines.push(Line { text: path.clone().into_owned(), number: index + 1 });
        seen.insert(path);
    }
    Ok(lines)
}

/// Whether a text that begins with `[` is a path all the same, as `[slug]/page.tsx` is: brackets round a bare word,
/// and behind them what follows in no JSON.
pub(super) fn begins_with_brackets(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let Some((word, behind)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) else { return false };
    let bare = !word.contains(|letter: char| letter.is_whitespace() || "\"'{},:".contains(letter));
    bare && behind.trim_start_matches(']').starts_with(|letter: char| !letter.is_whitespace() && !",}".contains(letter))
}

/// A path as rules see it.
pub(super) fn bare(path: &str) -> &str {
    let path = path.strip_prefix("./").unwrap_or(path);
    // A folder may be printed with its slash.
    path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path)
}

/// The path or name of a line, as rules see it.
fn path(line: &str) -> Result<Cow<'_, str>, &'static str> {
    if !line.starts_with('"') {
        return Ok(Cow::Borrowed(bare(line)));
    }
    unquoted(line).map(|path| Cow::Owned(bare(&path).to_owned())).ok_or(
        "is in quotes: it is no list of affected components, and no path that git wrote so, at least in UTF-8; write one \
         path or name a line",
    )
}

/// What stands in the quotes that git puts round a path with a quote, a backslash, a control character or, unless it
/// is told not to, a letter beyond ASCII. Inside it is written as in C, byte by byte.
/// <https://git-scm.com/docs/git-config#Documentation/git-config.txt-corequotePath>
pub(super) fn unquoted(line: &str) -> Option<String> {
    // What needs no escape git does not quote: a string of JSON is no path.
    let inner = line.strip_prefix('"')?.strip_suffix('"').filter(|inner| inner.contains('\\'))?;
    let mut letters = inner.bytes();
    let mut bytes = Vec::with_capacity(line.len());
    while let Some(letter) = letters.next() {
        bytes.push(match letter {
            b'"' => return None,
            b'\\' => escaped(&mut letters)?,
            letter => letter,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The byte that what follows a backslash stands for.
fn escaped(letters: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let digit = |letter: u8| matches!(letter, b'0'..=b'7').then(|| letter - b'0');
    Some(match letters.next()? {
        letter @ (b'"' | b'\\') => letter,
        b'a' => 0x07,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        letter => digit(letter)?.checked_mul(64)? + digit(letters.next()?)? * 8 + digit(letters.next()?)?,
    })
}

fn check(line: &str) -> Result<(), &'static str> {
    if line.contains('\0') {
        Err("has a zero byte: write one path a line (for `git diff`, without `-z`)")
    } else if line.chars().any(char::is_control) {
        Err("has a control character, which no path or name of a component should")
    } else if line.len() > LONGEST {
        Err("is longer than any path: write one path or name a line, or a JSON list of affected components")
    } else if line.starts_with('/') && !line.starts_with("//") {
        Err("is an absolute path: list paths relative to the repository's root")
    } else if line.split(['/', '\\']).any(|segment| segment == "..") {
        Err("has a segment `..`: list paths relative to the repository's root")
    } else if line != line.trim() {
        Err("begins or ends with a space: one path or name a line, and nothing else")
    } else {
        Ok(())
    }
}
