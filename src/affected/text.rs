//! A plain text: one path or name a line, as `terramate list --changed`, `git diff --name-only`,
//! `nx show projects --affected` and `bazel query` print.

use std::collections::HashSet;

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
        let line = line.strip_prefix("./").unwrap_or(line);
        // A folder may be printed with its slash.
        let line = line.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(line);
        if !seen.insert(line) {
            continue;
        }
        check(line).map_err(|what| {
            let shown: String = line.chars().take(100).collect();
            format!("line {}: {} {what}", index + 1, quoted(&shown))
        })?;
        lines.push(Line { text: line.to_owned(), number: index + 1 });
    }
    Ok(lines)
}

fn check(line: &str) -> Result<(), &'static str> {
    if line.contains('\0') {
        Err("has a zero byte: write one path a line (for `git diff`, without `-z`)")
    } else if line.chars().any(char::is_control) {
        Err("has a control character, which no path or name of a component should")
    } else if line.len() > LONGEST {
        Err("is longer than any path: write one path or name a line, or a JSON list of affected components")
    } else if line.starts_with('"') {
        Err(
            "is in quotes: it is no list of affected components, or git wrote it so; run `git -c core.quotePath=off diff`",
        )
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
