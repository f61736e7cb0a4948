//! Patterns: a glob in which `{name}` captures. Each becomes one regular expression when the file is read.

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
    regex: Regex,
    /// What everything that matches begins with: a comparison that spares most expressions their run.
    prefix: String,
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
        let regex =
            Regex::new(&expression(&segments, separator)).map_err(|error| format!("cannot be used: {error}"))?;
        let prefix = prefix(&segments, separator);
        Ok(Self { source: source.to_owned(), separator, segments, regex, prefix })
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
        text.starts_with(&self.prefix) && self.regex.is_match(text)
    }

    /// What the text was found to be, if the pattern matches the whole of it.
    pub fn find(&self, text: &str) -> Option<Found> {
        if !text.starts_with(&self.prefix) {
            return None;
        }
        let groups = self.regex.captures(text)?;
        let captures =
            self.names().filter_map(|name| Some((name.to_owned(), groups.name(name)?.as_str().to_owned()))).collect();
        let directory = self.trails().then(|| groups.get(1).map(|group| group.as_str().to_owned())).flatten();
        Some(Found { captures, directory })
    }

    /// Whether its last segment names files: it has a dot in its text, as `main.tf` and `*.tf` have.
    pub fn names_files(&self) -> bool {
        let dotted = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains('.'));
        matches!(self.segments.last(), Some(Segment::Within(pieces)) if pieces.iter().any(dotted))
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
    fn pieces(&self) -> &[Piece] {
        match self {
            Self::Across => &[],
            Self::Within(pieces) => pieces,
        }
    }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(source: &str) -> Pattern {
        Pattern::parse(source, '/').expect(source)
    }

    fn captures(pattern: &Pattern, text: &str) -> Option<String> {
        let found = pattern.find(text)?;
        let pairs: Vec<String> = found.captures.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Some(pairs.join(" ") + &found.directory.map(|directory| format!(" in {directory}")).unwrap_or_default())
    }

    #[test]
    fn a_star_stays_within_a_segment_and_two_go_across() {
        for (source, yes, no) in [
            ("eks/*", &["eks/cluster", "eks/a.b"][..], &["eks", "eks/", "eks/a/b", "xeks/a"][..]),
            ("live/**", &["live", "live/a", "live/a/b"], &["lively", "a/live", "live/"]),
            ("**", &["a", "a/b/c"], &[""]),
            ("**/main.tf", &["main.tf", "a/main.tf", "a/b/main.tf"], &["amain.tf", "main.tf/a"]),
            ("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["a", "az", "a/bz"]),
            ("app-*", &["app-", "app-x"], &["app", "app-x/y"]),
            ("*.tf", &["a.tf", ".tf"], &["a/b.tf", "atf"]),
            ("//app/*:image", &["//app/web:image"], &["app/web:image", "//app/web:test"]),
            ("a.b+c(d)[e]^$|?", &["a.b+c(d)[e]^$|?"], &["axb+c(d)[e]^$|?"]),
        ] {
            let pattern = path(source);
            for text in yes {
                assert!(pattern.matches(text), "`{source}` matches `{text}`");
            }
            for text in no {
                assert!(!pattern.matches(text), "`{source}` does not match `{text}`");
            }
        }
    }

    #[test]
    fn captures_are_never_empty_and_the_directory_is_what_stands_before_the_last_two_stars() {
        let pattern = path("live/{stage}/{component}/**");
        let told = captures(&pattern, "live/prod/vpc/modules/a.tf").unwrap();
        assert_eq!(told, "component=vpc stage=prod in live/prod/vpc");
        assert_eq!(captures(&pattern, "live/prod/vpc").unwrap(), "component=vpc stage=prod in live/prod/vpc");
        assert_eq!(captures(&pattern, "live//vpc/x"), None);
        assert_eq!(captures(&pattern, "live/prod"), None);
        let stack = Pattern::parse("{tenant}-{region}-{stage}", '-').unwrap();
        assert_eq!(captures(&stack, "plat-use2-prod").unwrap(), "region=use2 stage=prod tenant=plat");
        assert_eq!(captures(&stack, "plat--prod"), None);
        assert_eq!(captures(&stack, "plat-us-east-1-prod"), None);
        assert!(Pattern::parse("plat-**", '-').unwrap().matches("plat-us-east-1-prod"));
        assert!(Pattern::parse("plat-*", '-').unwrap().matches("plat-a/b"));
    }

    #[test]
    fn every_malformed_pattern_says_what_is_wrong_and_where() {
        let table = [
            ("", "is empty"),
            ("a/{b", "character 3"),
            ("a/b}", "`}` without its `{` (character 4"),
            ("a/{}/b", "has `{}`"),
            ("a/{b c}", "has `{b c}`"),
            ("a/{dev,prod}", "several rules"),
            ("{1a}", "does not begin with a digit"),
            ("{a}{b}", "side by side"),
            ("{a}*", "side by side"),
            ("a**", "must stand alone"),
            ("***", "must stand alone"),
            ("**/**", "twice in a row"),
            ("/a", "begins with `/`"),
            ("a/", "write `a/**`"),
            ("a//b", "empty segment"),
            ("//a//b", "empty segment"),
            ("a/../b", "`..`"),
            ("./a", "`.`"),
            ("a\\b", "`\\`"),
            ("a\nb", "control character"),
            ("!a", "environment: none"),
            ("{a}/{a}", "captures `a` twice"),
        ];
        for (source, part) in table {
            let error = Pattern::parse(source, '/').expect_err(source);
            assert!(error.contains(part), "`{source}`: {error}");
        }
        assert!(Pattern::parse("a--b", '-').expect_err("a--b").contains("empty segment"));
        assert!(Pattern::parse(&"a".repeat(2000), '/').expect_err("long").contains("1000"));
    }

    #[test]
    fn covering_is_told_for_wildcards_and_text() {
        for (wide, narrow) in [
            ("**", "a"),
            ("**", "a/{b}/**"),
            ("live/**", "live/prod/**"),
            ("live/{a}/**", "live/*/**"),
            ("eks/*", "eks/{name}"),
            ("eks/*", "eks/cluster"),
            ("*/x", "{y}/x"),
        ] {
            assert!(path(wide).covers(&path(narrow)), "`{wide}` covers `{narrow}`");
        }
        for (wide, narrow) in
            [("*", "**"), ("a/*", "a/**"), ("a/*/**", "a/**"), ("x{y}", "x*"), ("*/x", "**/x"), ("a", "*"), ("a", "b")]
        {
            assert!(!path(wide).covers(&path(narrow)), "`{wide}` does not cover `{narrow}`");
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z.]{1,4}", Just("*".to_owned()), Just("{}".to_owned()), Just("x{}y".to_owned())]
    }

    proptest! {
        #[test]
        fn what_a_pattern_is_filled_with_it_matches_and_its_captures_rebuild_it(
            pieces in prop::collection::vec(piece(), 1..6),
            fill in prop::collection::vec("[a-z0-9.+()\\[\\]^$ -]{1,5}", 6),
        ) {
            let source: Vec<String> =
                pieces.iter().enumerate().map(|(index, piece)| piece.replace("{}", &format!("{{c{index}}}"))).collect();
            prop_assume!(!source.iter().any(|segment| segment == "." || segment == ".."));
            let text: Vec<String> = pieces
                .iter()
                .zip(&fill)
                .map(|(piece, fill)| piece.replace("{}", fill).replace('*', fill))
                .collect();
            let pattern = path(&source.join("/"));
            let found = pattern.find(&text.join("/")).expect("what it is filled with matches");
            for ((piece, segment), index) in pieces.iter().zip(&text).zip(0..) {
                if piece.contains("{}") {
                    let capture = &found.captures[&format!("c{index}")];
                    prop_assert!(!capture.is_empty());
                    prop_assert_eq!(&piece.replace("{}", capture), segment);
                }
            }
            prop_assert!(pattern.covers(&pattern));
        }

        #[test]
        fn any_text_as_a_pattern_or_under_one_is_no_panic(source in "\\PC{0,12}", text in "\\PC{0,12}") {
            for separator in ['/', '-'] {
                if let Ok(pattern) = Pattern::parse(&source, separator) {
                    let found = pattern.find(&text);
                    prop_assert_eq!(found.is_some(), pattern.matches(&text));
                    prop_assert!(found.iter().flat_map(|found| found.captures.values()).all(|value| !value.is_empty()));
                }
            }
        }
    }
}
