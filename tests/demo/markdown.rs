//! As much Markdown as the action writes, made readable on a terminal.

/// One line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Heading(String),
    Item(String),
    /// The first row of a table.
    Columns(Vec<String>),
    Row(Vec<String>),
    /// The summary of something folded away.
    Fold(String),
    Text(String),
}

/// Reads a page. What is hidden or folded on GitHub is hidden or folded here.
pub fn read(markdown: &str) -> Vec<Line> {
    let mut page = Vec::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("<!--") {
        } else if let Some(summary) = between(line, "<summary>", "</summary>") {
            page.push(Line::Fold(inline(summary)));
            lines.by_ref().find(|line| line.starts_with("</details>"));
        } else if line.starts_with("```") {
            lines.by_ref().find(|line| line.starts_with("```"));
        } else if let Some(heading) = line.strip_prefix('#') {
            page.push(Line::Heading(inline(heading.trim_start_matches('#').trim())));
        } else if let Some(item) = line.strip_prefix("- ") {
            page.push(Line::Item(inline(item)));
        } else if line.starts_with("|-") {
        } else if line.starts_with('|') {
            let head = lines.peek().is_some_and(|next| next.starts_with("|-"));
            page.push(if head { Line::Columns(cells(line)) } else { Line::Row(cells(line)) });
        } else if !line.trim().is_empty() {
            page.push(Line::Text(inline(line)));
        }
    }
    page
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

/// A row's cells; `\|` is no border.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim();
    let row = row.strip_prefix('|').unwrap_or(row);
    let row = row.strip_suffix('|').unwrap_or(row);
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for letter in row.chars() {
        match cells.last_mut() {
            Some(cell) if letter != '|' || escaped => cell.push(letter),
            _ => cells.push(String::new()),
        }
        escaped = letter == '\\' && !escaped;
    }
    cells.iter().map(|cell| inline(cell.trim())).collect()
}

/// A line's text: links become what they show, and marks, tags and what has no width disappear.
fn inline(text: &str) -> String {
    let mut shown = String::new();
    let mut letters = text.chars().peekable();
    let mut code = false;
    while let Some(letter) = letters.next() {
        match letter {
            '`' => code = !code,
            _ if code => shown.push(letter),
            '\u{200b}' | '[' | '*' => {}
            '\\' => shown.extend(letters.next()),
            ']' if letters.peek() == Some(&'(') => drop(letters.by_ref().find(|end| *end == ')')),
            '<' => drop(letters.by_ref().find(|end| *end == '>')),
            _ => shown.push(letter),
        }
    }
    shown
}

/// How many columns a terminal uses for a text.
pub fn width(text: &str) -> usize {
    let columns = |letter: char| match letter {
        '\u{200b}'..='\u{200f}' | '\u{fe0f}' => 0,
        '⌛' | '⏭' | '⏸' | '⚠' | '⛔' | '✅' | '✋' | '❌' | '❓' => 2,
        '\u{2e80}'..='\u{ffdc}' | '\u{1f300}'..='\u{1faff}' => 2,
        _ => 1,
    };
    text.chars().map(columns).sum()
}
