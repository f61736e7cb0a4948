//! Room: what is shown while it fits, folded or counted where it does not.

/// Lines as long as there is room for them, and how many there was none for. One that is too long by itself
/// hides none of the others.
pub fn fit(lines: impl IntoIterator<Item = String>, most: usize, room: usize) -> (String, usize) {
    let (mut text, mut shown, mut left_out) = (String::new(), 0, 0);
    for line in lines {
        if shown < most && text.len() + line.len() <= room {
            text.push_str(&line);
            shown += 1;
        } else {
            left_out += 1;
        }
    }
    (text, left_out)
}

/// A section that opens at a press. The title is ours, without Markdown.
pub fn details(title: &str, open: bool, body: &str) -> String {
    let open = if open { " open" } else { "" };
    format!("\n<details{open}><summary>{title}</summary>\n\n{body}\n</details>\n")
}

/// What [`details`] adds to title and body.
pub const FRAME: usize = 64;
