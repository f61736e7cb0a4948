//! Where a key stands in a YAML file, for annotations. Block style is followed; in flow style the last key
//! that was found tells the line.

/// The line, from 1, of the key at the end of `path`, or of the deepest of its parents that is found.
pub fn line_of(text: &str, path: &[&str]) -> Option<u32> {
    let lines: Vec<(usize, &str)> = text.lines().map(|line| (indent(line), line.trim_start())).collect();
    let mut start = 0;
    let mut parent: Option<usize> = None;
    let mut found = None;
    for key in path {
        let Some(place) = child(&lines, start, parent, key) else {
            break;
        };
        found = Some(place);
        parent = lines.get(place).map(|(indent, _)| *indent);
        start = place + 1;
    }
    found.and_then(|place| u32::try_from(place + 1).ok())
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The first line below `parent` that holds the key at the depth of the parent's first child.
fn child(lines: &[(usize, &str)], start: usize, parent: Option<usize>, key: &str) -> Option<usize> {
    let mut depth = None;
    for (place, (indent, line)) in lines.iter().enumerate().skip(start) {
        if line.is_empty() || line.starts_with('#') || line.starts_with("---") || line.starts_with('%') {
            continue;
        }
        if parent.is_some_and(|parent| *indent <= parent) {
            return None;
        }
        let depth = *depth.get_or_insert(*indent);
        if *indent == depth && is_key(line, key) {
            return Some(place);
        }
    }
    None
}

fn is_key(line: &str, key: &str) -> bool {
    let rest =
        ["", "\"", "'"].into_iter().find_map(|quote| line.strip_prefix(quote)?.strip_prefix(key)?.strip_prefix(quote));
    rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_path() {
        let text = "name: x\n\"on\":\n  push:\n  workflow_dispatch:\n    inputs:\n      mode: {type: choice}\n\njobs:\n  # mode:\n  a:\n    environment: b\n";
        assert_eq!(line_of(text, &["on"]), Some(2));
        assert_eq!(line_of(text, &["on", "workflow_dispatch", "inputs", "mode"]), Some(6));
        assert_eq!(line_of(text, &["on", "workflow_dispatch", "inputs", "other"]), Some(5));
        assert_eq!(line_of(text, &["jobs", "a", "environment"]), Some(11));
        assert_eq!(line_of(text, &["concurrency"]), None);
        assert_eq!(line_of("", &["on"]), None);
    }
}
