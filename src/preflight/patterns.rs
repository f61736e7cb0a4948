//! The patterns of a branch policy, as Ruby's `File.fnmatch` with `FNM_PATHNAME` reads them: `*`, `?` and
//! `[…]` stay within a segment, a whole segment of `**` spans any number but the last, `\` takes the next
//! character as it is.
//!
//! <https://docs.github.com/en/rest/deployments/branch-policies>, <https://docs.ruby-lang.org/en/master/File.html#method-c-fnmatch>

/// Whether a pattern admits a name.
pub fn admits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<Vec<char>> = pattern.split('/').map(|segment| segment.chars().collect()).collect();
    let name: Vec<Vec<char>> = name.split('/').map(|segment| segment.chars().collect()).collect();
    segments(&pattern, &name)
}

/// One row of the table of "these first segments match those first segments" at a time, so that no pattern
/// takes more than its length times the name's.
fn segments(pattern: &[Vec<char>], name: &[Vec<char>]) -> bool {
    let mut row: Vec<bool> = (0..=name.len()).map(|count| count == 0).collect();
    for (index, segment) in pattern.iter().enumerate() {
        let spans = segment == &['*', '*'] && index + 1 < pattern.len();
        let mut next = vec![false; name.len() + 1];
        let mut any = false;
        for (count, slot) in next.iter_mut().enumerate() {
            let here = row.get(count).copied().unwrap_or(false);
            let before = count.checked_sub(1).and_then(|count| Some((row.get(count)?, name.get(count)?)));
            any |= here;
            *slot = if spans { any } else { before.is_some_and(|(row, text)| *row && within(segment, text)) };
        }
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

/// One segment, in the same way.
fn within(pattern: &[char], text: &[char]) -> bool {
    let mut row: Vec<bool> = (0..=text.len()).map(|count| count == 0).collect();
    let mut rest = pattern;
    while let Some((token, behind)) = token(rest) {
        rest = behind;
        let mut next = vec![false; text.len() + 1];
        let mut any = false;
        for (count, slot) in next.iter_mut().enumerate() {
            any |= row.get(count).copied().unwrap_or(false);
            let before = count.checked_sub(1).and_then(|count| Some((row.get(count)?, text.get(count)?)));
            *slot = match token {
                Token::Many => any,
                _ => before.is_some_and(|(row, letter)| *row && token.takes(*letter)),
            };
        }
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Many,
    One,
    This(char),
    Set { members: &'a [char], negated: bool },
}

fn token(pattern: &[char]) -> Option<(Token<'_>, &[char])> {
    let (first, rest) = pattern.split_first()?;
    Some(match (first, rest) {
        ('*', rest) => (Token::Many, rest),
        ('?', rest) => (Token::One, rest),
        ('\\', [next, rest @ ..]) => (Token::This(*next), rest),
        ('[', rest) => set(rest).unwrap_or((Token::This('['), rest)),
        (letter, rest) => (Token::This(*letter), rest),
    })
}

fn set(rest: &[char]) -> Option<(Token<'_>, &[char])> {
    let (negated, rest) = match rest {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // A bracket right at the start is a member.
    let end = rest.iter().skip(1).position(|letter| *letter == ']')? + 1;
    let (members, behind) = rest.split_at_checked(end)?;
    Some((Token::Set { members, negated }, behind.get(1..)?))
}

impl Token<'_> {
    fn takes(self, letter: char) -> bool {
        match self {
            Self::Many | Self::One => true,
            Self::This(this) => this == letter,
            Self::Set { members, negated } => in_set(members, letter) != negated,
        }
    }
}

fn in_set(mut members: &[char], letter: char) -> bool {
    loop {
        members = match members {
            [] => return false,
            [from, '-', to, rest @ ..] => {
                if (*from..=*to).contains(&letter) {
                    return true;
                }
                rest
            }
            [one, rest @ ..] => {
                if *one == letter {
                    return true;
                }
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_admit_as_ruby_does() {
        for (pattern, name, admitted) in [
            ("main", "main", true),
            ("main", "mainline", false),
            ("*", "main", true),
            ("*", "release/1", false),
            ("**", "release/1", false),
            ("release/*", "release/1.0", true),
            ("release/*", "release/1/0", false),
            ("release/*/*", "release/1/0", true),
            ("**/main", "main", true),
            ("**/main", "a/b/main", true),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("v?.[0-9]", "v1.2", true),
            ("v?.[0-9]", "v1.x", false),
            ("v[!a-c]", "vd", true),
            ("v[^a-c]", "vb", false),
            ("v[]x]", "v]", true),
            ("v[ab", "v[ab", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("rel*se-*-x", "release-2-x", true),
            ("", "", true),
            ("Main", "main", false),
            ("été/*", "été/ü", true),
        ] {
            assert_eq!(admits(pattern, name), admitted, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!admits(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!admits(&"**/".repeat(200), &"a/".repeat(200).replace("a/", "a/b")));
    }

    proptest! {
        #[test]
        fn a_name_without_signs_admits_itself_and_no_pattern_breaks(name in "[a-z/]{1,20}", pattern in ".{0,30}") {
            prop_assert!(admits(&name, &name));
            admits(&pattern, &name);
        }
    }
}
