//! What a pattern matches, what it captures, and what is none.

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
    fn matching_by_steps_and_by_searching_is_the_same(
        pieces in prop::collection::vec(piece(), 1..5),
        trail in prop::bool::ANY,
        texts in prop::collection::vec("[a-z./]{0,3}", 1..6),
        separator in prop_oneof![Just('/'), Just('-')],
    ) {
        let mut source: Vec<String> =
            pieces.iter().enumerate().map(|(index, piece)| piece.replace("{}", &format!("{{c{index}}}"))).collect();
        source.extend(trail.then(|| "**".to_owned()));
        let Ok(steps) = Pattern::parse(&source.join(&separator.to_string()), separator) else { return Ok(()) };
        let regex = Regex::new(&expression(&steps.segments, separator)).unwrap();
        let search = Pattern { matcher: Matcher::Search { regex, prefix: String::new() }, ..steps.clone() };
        let filled: Vec<String> =
            pieces.iter().zip(texts.iter().cycle()).map(|(piece, text)| piece.replace("{}", text).replace('*', text)).collect();
        for text in [texts.join(&separator.to_string()), filled.join(&separator.to_string()), filled.join("/") + "/"] {
            prop_assert_eq!(steps.find(&text), search.find(&text), "`{}` under `{}`", text, steps.source());
            prop_assert_eq!(steps.matches(&text), search.matches(&text));
        }
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
