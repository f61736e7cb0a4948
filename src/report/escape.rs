//! Foreign text made harmless, for each place it can appear. Nothing foreign is shown any other way.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Foreign text in Markdown: a code span, the one place where GitHub looks for no mention, reference,
/// link, image, HTML or emphasis. What could end the span, the table cell or the line is replaced by
/// something that looks alike, because a table cell is split before code spans are found.
/// <https://github.github.com/gfm/#code-spans>, <https://github.github.com/gfm/#tables-extension->
pub fn code(text: &str) -> String {
    let mut shown: String = line(text)
        .chars()
        .map(|letter| match letter {
            '`' => 'ˋ',
            '|' => '¦',
            other => other,
        })
        .collect();
    if shown.trim().is_empty() {
        shown = "(empty)".to_owned();
    }
    // A backslash at the end would be taken for an escape of the table's own bar by some renderers.
    if shown.ends_with('\\') {
        shown.push(' ');
    }
    format!("`{shown}`")
}

/// A sentence of ours with foreign parts: what stands between backticks becomes code spans, and the rest is
/// made harmless too, since a foreign part may hold a backtick itself.
pub fn prose(text: &str) -> String {
    let text = line(text);
    let parts: Vec<&str> = text.split('`').collect();
    let mut shown = String::with_capacity(text.len() + 16);
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 1 && index + 1 < parts.len() {
            shown.push_str(&code(part));
        } else {
            plain(part, &mut shown);
        }
    }
    shown
}

/// Text outside code spans: Markdown's punctuation is escaped, and what GitHub looks for after rendering
/// (mentions, references, addresses, commits, emoji, math) is broken by a character without width, or replaced.
/// <https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls>
fn plain(text: &str, shown: &mut String) {
    const BREAK: char = '\u{200b}';
    let text = text.replace("://", ":\u{200b}//");
    for word in text.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let bare = word.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        let commit = bare.len() >= 7 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let linked = ["www", "gh", "mailto", "xmpp"].iter().any(|known| bare.eq_ignore_ascii_case(known));
        // A number at the start of a line would make a list of what follows.
        let listed = shown.is_empty() && !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        let emoji =
            shown.ends_with(':') && word.starts_with(|letter: char| letter.is_alphanumeric() || "+-_".contains(letter));
        for (index, letter) in word.chars().enumerate() {
            if (commit && index > 0 && index % 6 == 0) || (linked && index == 1) || (emoji && index == 0) {
                shown.push(BREAK);
            }
            let opens_line = shown.is_empty() && matches!(letter, '-' | '=');
            let harmless = letter.is_alphanumeric() || !letter.is_ascii() || " $|".contains(letter);
            if opens_line || (listed && matches!(letter, '.' | ')')) || !(harmless || ".,;:/-'\"()%=?".contains(letter))
            {
                shown.push('\\');
            }
            shown.push(match letter {
                // No escape keeps GitHub's math away for certain, and a table is split before escapes are read.
                '$' => '＄',
                '|' => '¦',
                other => other,
            });
            if matches!(letter, '@' | '#') {
                shown.push(BREAK);
            }
        }
    }
}

/// Foreign text as one line without control, invisible or direction-changing characters.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_whitespace() {
            if !shown.ends_with(' ') {
                shown.push(' ');
            }
        } else if letter.is_control() || is_invisible(letter) {
            shown.push('\u{fffd}');
        } else {
            shown.push(letter);
        }
    }
    shown.trim().to_owned()
}

/// Zero-width, blank, bidirectional and tag characters, which make one name look like another.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{2800}'
        | '\u{3164}' | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// At most `most` characters, with an ellipsis where something was cut.
pub fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Foreign text in a quoted Mermaid label: Mermaid's own entity codes for all but plain letters.
/// <https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters>
pub fn mermaid(text: &str) -> String {
    let mut shown = String::new();
    for letter in line(text).chars() {
        if letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '.' | '/') {
            shown.push(letter);
        } else {
            shown.push_str(&format!("#{};", u32::from(letter)));
        }
    }
    shown
}

/// Safe inside an HTML comment: letters, digits and `.`; the rest percent-encoded.
const MARKER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_');

/// Foreign text inside our own hidden marker.
pub fn marker(text: &str) -> String {
    utf8_percent_encode(text, MARKER).to_string()
}

/// A line of the log in which the runner finds no command, wherever the text comes from.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>
pub fn log_line(text: &str) -> String {
    let shown = line(text).replace("##[", "# #[");
    if shown.starts_with("::") { format!("| {shown}") } else { shown }
}

/// The message of a workflow command.
pub fn command_data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(line).collect();
    lines.join("\n").replace("##[", "# #[").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command, such as a file's name.
pub fn command_property(text: &str) -> String {
    command_data(&line(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_code_span_a_cell_or_a_line() {
        for hostile in
            ["a`b", "a|b", "a\nb", "a\r\n| x | y |", "``` \n# x", "\\", "a\\|b", "<!-- x -->", "@mona #1 http://x"]
        {
            let shown = code(hostile);
            let inner = shown.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).expect("a code span");
            assert!(!inner.contains(['`', '|', '\n', '\r']), "{hostile:?} became {shown:?}");
            assert!(!inner.is_empty() && !inner.ends_with('\\'), "{hostile:?} became {shown:?}");
        }
    }

    #[test]
    fn a_sentence_keeps_its_names_as_code_and_nothing_else_is_markdown() {
        assert_eq!(prose("job `ap|ply`, step `x`"), "job `ap¦ply`, step `x`");
        let hostile = prose("by mona: **x** <b> [a](http://b) @octocat #12 deadbeef www.x.y a@b.c `");
        for forbidden in ["**", " <b>", "[a]", "http://", "@octocat", "#12", "deadbeef", "www.", "a@b"] {
            assert!(!hostile.contains(forbidden), "{forbidden} in {hostile}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(code("vp\u{202e}c\u{200b}"), "`vp\u{fffd}c\u{fffd}`");
        assert_eq!(code(" \t "), "`(empty)`");
    }

    #[test]
    fn no_line_of_the_log_is_a_command() {
        assert_eq!(log_line("::error::x"), "| ::error::x");
        assert_eq!(log_line(" \u{a0}::error::x"), "| ::error::x");
        assert_eq!(log_line("a ##[group]b"), "a # #[group]b");
        assert_eq!(log_line("a\r::error::b"), "a ::error::b");
        assert_eq!(command_data("50%\nx"), "50%25%0Ax");
    }

    #[test]
    fn a_marker_cannot_be_closed_and_a_label_cannot_be_left() {
        assert_eq!(marker("a-->b"), "a%2D%2D%3Eb");
        assert_eq!(mermaid("a\"]; click"), "a#34;#93;#59; click");
    }
}
