//! Patterns: a glob in which `{name}` captures. Most match segment by segment; the others become one regular
//! expression each when the file is read.

use crate::ordered::Ordered;
use std::collections::BTreeMap;

use regex_lite::Regex;

/// A longer pattern is a mistake.
const LONGEST: usize = 1000;

/// A parsed pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    separator: char,
    segments: Vec<Segment>,
    matcher: Matcher,
}

/// How a text is matched. Lists may have a million lines.
#[derive(Debug, Clone)]
enum Matcher {
    /// Segment by segment: each has at most one wildcard, and only the last may be `**`.
    Steps,
    /// By searching.
    Search {
        regex: Regex,
        /// What everything that matches begins with: a comparison that spares most expressions their run.
        prefix: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`
    Across,
    Within(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Star,
    Capture(String),
}

/// What a text that matches was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The captures, by their names.
    pub captures: BTreeMap<String, String>,
    /// What stands before a trailing `/**`.
    pub directory: Option<String>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.separator) == (&other.source, other.separator)
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Reads a pattern whose segments are split at `separator`.
    ///
    /// # Errors
    /// What is wrong with it, and where in the pattern.
    pub fn parse(source: &str, separator: char) -> Result<Self, String> {
        if source.is_empty() {
            return Err("is empty: it would match nothing".to_owned());
        }
        if source.chars().count() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters"));
        }
        let mut segments = Vec::new();
        let mut place = 1;
        for segment in source.split(separator) {
            segments.push(parse_segment(segment, separator).map_err(|(at, what)| {
                format!("{what} (character {} of `{}`)", place + at, source.replace('`', "ˋ"))
            })?);
            place += segment.chars().count() + 1;
        }
        check(&segments, source, separator)?;
        let matcher = if steps(&segments) {
            Matcher::Steps
        } else {
            let regex =
                Regex::new(&expression(&segments, separator)).map_err(|error| format!("cannot be used: {error}"))?;
            Matcher::Search { regex, prefix: prefix(&segments, separator) }
        };
        Ok(Self { source: source.to_owned(), separator, segments, matcher })
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names it captures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(Segment::pieces).filter_map(|piece| match piece {
            Piece::Capture(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::Star => None,
        })
    }

    /// Whether it matches the whole of a text.
    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Steps => self.walk(text, |_, _| {}).is_some(),
            Matcher::Search { regex, prefix } => text.starts_with(prefix) && regex.is_match(text),
        }
    }

    /// What the text was found to be, if the pattern matches the whole of it.
    pub fn find(&self, text: &str) -> Option<Found> {
        let Matcher::Search { regex, prefix } = &self.matcher else {
            let mut captures = BTreeMap::new();
            let end = self.walk(text, |name, held| drop(captures.insert(name.to_owned(), held.to_owned())))?;
            return Some(Found { captures, directory: self.directory(text.get(..end)) });
        };
        if !text.starts_with(prefix) {
            return None;
        }
        let groups = regex.captures(text)?;
        let captures =
            self.names().filter_map(|name| Some((name.to_owned(), groups.name(name)?.as_str().to_owned()))).ordered();
        Some(Found { captures, directory: self.directory(groups.get(1).map(|group| group.as_str())) })
    }

    /// What stands before a trailing `/**`, where there is one.
    fn directory(&self, matched: Option<&str>) -> Option<String> {
        matched.filter(|_| self.trails()).map(str::to_owned)
    }

    /// Matches segment by segment, telling what each capture holds. Gives the length of what matches before a
    /// trailing `/**`.
    fn walk<'t>(&self, text: &'t str, mut capture: impl FnMut(&str, &'t str)) -> Option<usize> {
        let trails = self.trails();
        let mut rest = Some(text);
        let mut end = 0;
        for (index, segment) in self.segments.iter().take(self.segments.len() - usize::from(trails)).enumerate() {
            let left = rest?;
            let (part, behind) = left.split_once(self.separator).map_or((left, None), |(one, more)| (one, Some(more)));
            segment.hold(part, &mut capture)?;
            end += part.len() + if index == 0 { 0 } else { self.separator.len_utf8() };
            rest = behind;
        }
        let whole = if trails { rest != Some("") } else { rest.is_none() };
        whole.then_some(end)
    }

    /// Whether its last segment names files: it has a dot in its text, as `main.tf` and `*.tf` have.
    pub fn names_files(&self) -> bool {
        let dotted = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains('.'));
        matches!(self.segments.last(), Some(Segment::Within(pieces)) if pieces.iter().any(dotted))
    }

    /// Whether the segment before its trailing `/**` is a text, as in `modules/vpc/**`, so that it names one folder.
    pub fn names_folder(&self) -> bool {
        match self.segments.as_slice() {
            [.., Segment::Within(pieces), Segment::Across] => {
                pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
            }
            _ => false,
        }
    }

    /// Whether its last segment captures something.
    pub fn captures_last(&self) -> bool {
        let captures = |piece: &Piece| matches!(piece, Piece::Capture(_));
        self.segments.last().is_some_and(|segment| segment.pieces().iter().any(captures))
    }

    /// Whether it matches everything another one matches, as far as samples of that one tell.
    pub fn covers(&self, other: &Self) -> bool {
        self.separator == other.separator && other.samples().iter().all(|sample| self.matches(sample))
    }

    /// Texts the pattern matches, with every wildcard as short and as long as it may be. What stands for a
    /// wildcard occurs in no pattern, so only another wildcard can match it.
    fn samples(&self) -> Vec<String> {
        const ANY: &str = "\u{1}";
        let with = |star: &str, across: &[&str]| {
            let mut parts: Vec<String> = Vec::new();
            for segment in &self.segments {
                match segment {
                    Segment::Across => parts.extend(across.iter().map(|part| (*part).to_owned())),
                    Segment::Within(pieces) => parts.push(
                        pieces
                            .iter()
                            .map(|piece| match piece {
                                Piece::Text(text) => text.as_str(),
                                Piece::Star if pieces.len() > 1 => star,
                                Piece::Star | Piece::Capture(_) => ANY,
                            })
                            .collect(),
                    ),
                }
            }
            parts.join(&self.separator.to_string())
        };
        let mut samples = vec![with(ANY, &[ANY, ANY, ANY]), with("", &[ANY])];
        let shortest = with("", &[]);
        if !shortest.is_empty() {
            samples.push(shortest);
        }
        samples
    }

    /// Whether it ends with `/**` and something stands before that.
    fn trails(&self) -> bool {
        self.segments.len() > 1 && self.segments.last() == Some(&Segment::Across)
    }
}

impl Segment {
    /// Whether it matches a text, for one with at most one wildcard; a capture is told what it holds.
    fn hold<'t>(&self, text: &'t str, capture: &mut impl FnMut(&str, &'t str)) -> Option<()> {
        let pieces = self.pieces();
        let is_text = |piece: &Piece| matches!(piece, Piece::Text(_));
        let Some(wild) = pieces.iter().position(|piece| !is_text(piece)) else {
            let wanted = pieces.first().map_or("", Piece::text);
            return (text == wanted).then_some(());
        };
        let before = pieces.first().map_or("", Piece::text);
        let after = pieces.get(wild + 1).map_or("", Piece::text);
        let held = text.strip_prefix(before)?.strip_suffix(after)?;
        match pieces.get(wild) {
            Some(Piece::Star) if pieces.len() > 1 => Some(()),
            _ if held.is_empty() => None,
            Some(Piece::Capture(name)) => {
                capture(name, held);
                Some(())
            }
            _ => Some(()),
        }
    }

    fn pieces(&self) -> &[Piece] {
        match self {
            Self::Across => &[],
            Self::Within(pieces) => pieces,
        }
    }
}

impl Piece {
    /// Its text; a wildcard has none.
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Star | Self::Capture(_) => "",
        }
    }
}

/// Whether a pattern can be matched segment by segment, with one reading at most.
fn steps(segments: &[Segment]) -> bool {
    let fixed = match segments {
        [fixed @ .., Segment::Across] if !fixed.is_empty() => fixed,
        all => all,
    };
    fixed.iter().all(|segment| match segment {
        Segment::Across => false,
        Segment::Within(pieces) => pieces.iter().filter(|piece| piece.text().is_empty()).count() <= 1,
    })
}

/// One segment; an error comes with its place in the segment, from 0.
fn parse_segment(segment: &str, separator: char) -> Result<Segment, (usize, String)> {
    if segment == "**" {
        return Ok(Segment::Across);
    }
    let mut pieces: Vec<Piece> = Vec::new();
    let mut letters = segment.chars().enumerate();
    while let Some((at, letter)) = letters.next() {
        let piece = match letter {
            '*' => Piece::Star,
            '{' => Piece::Capture(capture_name(at, &mut letters, separator)?),
            '}' => return Err((at, "has a `}` without its `{`".to_owned())),
            '\\' => return Err((at, "has a `\\`: segments are split by `/`, and nothing is escaped".to_owned())),
            letter if letter.is_control() => return Err((at, "has a control character".to_owned())),
            letter => Piece::Text(letter.to_string()),
        };
        match (pieces.last_mut(), piece) {
            (Some(Piece::Text(text)), Piece::Text(more)) => text.push_str(&more),
            (Some(Piece::Star), Piece::Star) => {
                return Err((at, format!("has `**` beside other text: it must stand alone between two `{separator}`")));
            }
            (Some(Piece::Star | Piece::Capture(_)), Piece::Star | Piece::Capture(_)) => {
                return Err((at, "has two wildcards side by side: where one ends cannot be told".to_owned()));
            }
            (_, piece) => pieces.push(piece),
        }
    }
    Ok(Segment::Within(pieces))
}

fn capture_name(
    at: usize,
    letters: &mut impl Iterator<Item = (usize, char)>,
    separator: char,
) -> Result<String, (usize, String)> {
    let mut name = String::new();
    for (_, letter) in letters {
        if letter == '}' {
            let starts = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
            let usable = starts && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if usable {
                return Ok(name);
            }
            let what = format!(
                "has `{{{name}}}`: a capture's name is made of ASCII letters, digits and `_` and does not begin with a digit; \
                 for several spellings write several rules"
            );
            return Err((at, what));
        }
        name.push(letter);
    }
    Err((at, format!("has a `{{` whose `}}` does not come before the next `{separator}`")))
}

/// What no text could ever match, or what would not say which text a name stands for.
fn check(segments: &[Segment], source: &str, separator: char) -> Result<(), String> {
    if source.starts_with('!') {
        return Err("begins with `!`: write an earlier rule with `environment: none` for what is not meant".to_owned());
    }
    // Bazel's names begin with `//`.
    let segments = if source.starts_with("//") { segments.get(2..).unwrap_or_default() } else { segments };
    if segments.windows(2).any(|pair| pair == [Segment::Across, Segment::Across]) {
        return Err(format!("has `**` twice in a row (`{source}`): once says the same"));
    }
    if separator == '/' {
        let exact = |text: &str| Segment::Within(vec![Piece::Text(text.to_owned())]);
        if segments.contains(&exact("..")) || segments.contains(&exact(".")) {
            return Err(format!("has a segment `.` or `..` (`{source}`): paths are relative to the repository's root"));
        }
        if segments.first() == Some(&Segment::Within(Vec::new())) {
            return Err(format!("begins with `/` (`{source}`): paths are relative to the repository's root"));
        }
        if segments.last() == Some(&Segment::Within(Vec::new())) {
            return Err(format!("ends with `/` (`{source}`): write `{source}**` for all below"));
        }
    }
    if segments.contains(&Segment::Within(Vec::new())) {
        return Err(format!("has an empty segment (`{source}`): nothing matches it"));
    }
    let names: Vec<&String> = segments
        .iter()
        .flat_map(Segment::pieces)
        .filter_map(|piece| match piece {
            Piece::Capture(name) => Some(name),
            Piece::Text(_) | Piece::Star => None,
        })
        .collect();
    match names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|other| other == *name)) {
        Some((_, name)) => Err(format!("captures `{name}` twice (`{source}`): give each capture a name of its own")),
        None => Ok(()),
    }
}

/// The regular expression. `x/**` matches `x` too, so `**` takes a separator with it.
fn expression(segments: &[Segment], separator: char) -> String {
    let split = regex_lite::escape(&separator.to_string());
    let mut body = String::new();
    let mut trailing = "";
    let last = segments.len().saturating_sub(1);
    let tail = format!("(?:{split}.+)?");
    for (index, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Across if last == 0 => body.push_str(".+"),
            Segment::Across if index == last => trailing = &tail,
            // It brings the separator that follows it.
            Segment::Across => {
                body.push_str(if index == 0 { "" } else { &split });
                body.push_str(&format!("(?:.+{split})?"));
            }
            Segment::Within(pieces) => {
                let after_across = index > 0 && segments.get(index - 1) == Some(&Segment::Across);
                body.push_str(if index == 0 || after_across { "" } else { &split });
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => body.push_str(&regex_lite::escape(text)),
                        Piece::Star if pieces.len() > 1 => body.push_str(&format!("[^{split}]*")),
                        Piece::Star => body.push_str(&format!("[^{split}]+")),
                        Piece::Capture(name) => body.push_str(&format!("(?P<{name}>[^{split}]+)")),
                    }
                }
            }
        }
    }
    format!("(?s)^({body}){trailing}$")
}

/// The text all matches begin with.
fn prefix(segments: &[Segment], separator: char) -> String {
    let mut prefix = String::new();
    for (index, segment) in segments.iter().enumerate() {
        let Segment::Within(pieces) = segment else { break };
        if index > 0 {
            prefix.push(separator);
        }
        for piece in pieces {
            let Piece::Text(text) = piece else { return prefix };
            prefix.push_str(text);
        }
    }
    prefix
}

#[cfg(test)]
mod tests;
