//! Lists in every form, and what rules make of paths.

use std::collections::BTreeSet;

use super::*;
use crate::config::Config;

fn items(text: &str) -> Vec<Item> {
    match parse(text) {
        Ok(List::Items(items)) => items,
        other => panic!("{text}: {other:?}"),
    }
}

fn lines(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(List::Lines(lines)) => lines.into_iter().map(|line| format!("{}:{}", line.number, line.text)).collect(),
        other => panic!("{text}: {other:?}"),
    }
}

#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let told = parse(text).map(|list| format!("{list:?}")).expect_err(text);
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
}

#[test]
fn a_plain_list_says_all_there_is_of_its_components() {
    let found = items(
        r#"[{"component": "db", "stack": "prod", "environment": "production", "workflow": "a.yml",
             "inputs": {"n": 3, "b": true, "z": null, "t": "x"}, "path": "live/db", "needs": ["net"]},
            {"component": "net", "stack": null, "environment": ""}]"#,
    );
    let Wish::Own(own) = &found[0].wish else { panic!("{found:?}") };
    assert_eq!(own.environment.as_deref(), Some("production"));
    let inputs: Vec<String> = own.inputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(inputs, ["b=true", "n=3", "t=x", "z="]);
    assert_eq!(found[0].needs, [Need::item(1)]);
    assert_eq!((found[1].stack.as_deref(), &found[1].wish), (None, &Wish::Own(Own::default())));
}

#[test]
fn a_need_is_an_exact_component_or_component_and_stack_and_never_both() {
    let found = items(
        r#"[{"component": "app", "needs": ["net/eu/prod", "db", "eks/x"]}, {"component": "net/eu", "stack": "prod"},
            {"component": "db", "stack": "a"}, {"component": "db", "stack": "b"}, {"component": "eks/x"}]"#,
    );
    assert_eq!(found[0].needs, [Need::item(1), Need::items_of(vec![2, 3]), Need::item(4)]);
    refused(
        r#"[{"component": "a/b"}, {"component": "a", "stack": "b"}, {"component": "c", "needs": ["a/b"]}]"#,
        &["`[2].needs[0]`", "one reading"],
    );
    refused(r#"[{"component": "a", "needs": ["nope/x"]}]"#, &["`[0].needs[0]`", "`nope/x`", "list it too"]);
}

#[test]
fn lists_of_two_kinds_or_of_none_are_refused_with_the_place() {
    refused(
        r#"[{"component": "a", "needs": []}, {"component": "b", "stack_slug": "x"}]"#,
        &["`[1].stack_slug`", "`[0].needs`", "comment-key"],
    );
    refused(r#"[{"component": "a", "component_path": "x", "path": "y"}]"#, &["`[0].component_path`", "`[0].path`"]);
    refused(r#"[{"component": "a", "enviroment": "x"}]"#, &["`[0].enviroment`", "did you mean `environment`?"]);
    refused(
        r#"[{"component": 5}]"#,
        &["`[0].component` (line 1, column 16)", "the number `5` stands where a string is expected"],
    );
    refused(r#"[{"component": " "}]"#, &["`[0].component`", "is empty"]);
    refused(r#"[{"component": "a\nb"}]"#, &["`[0].component`", "control character"]);
    refused(r#"[{"component": "a", "needs": "b"}]"#, &["`[0].needs`", "a string stands where an array is expected"]);
    refused(r#"[{"component": "a", "needs": [1]}]"#, &["`[0].needs[0]`"]);
    refused(r#"[{"component": "a", "inputs": []}]"#, &["`[0].inputs`", "an array stands where an object is expected"]);
    refused(r#"[{"component": "a", "path": "../x"}]"#, &["`[0].path`", "`..`"]);
    refused(r#"[{"component": "a", "path": "/x"}]"#, &["`[0].path`", "absolute"]);
    refused(r#"["a"]"#, &["`[0]`", "a string stands where"]);
    // `environment` alone says nothing of the kind: it is a context field in Atmos.
    let atmos = items(r#"[{"component": "a", "environment": "use2", "stage": "prod"}]"#);
    assert_eq!((atmos[0].fields["environment"].as_str(), &atmos[0].wish), ("use2", &Wish::Silent));
    assert!(matches!(items(r#"[{"component": "a", "environment": "prod"}]"#)[0].wish, Wish::Own(_)));
    assert_eq!(items("[]"), []);
}

#[test]
fn a_text_is_one_path_or_name_a_line() {
    assert_eq!(lines("a/b\r\n\n  \nc d\n./e/\na/b\n//app:image"), ["1:a/b", "4:c d", "5:e", "7://app:image"]);
    assert!(lines("").is_empty() && lines("\n\n").is_empty() && lines("\u{feff}").is_empty());
    refused("a\n../b\n", &["line 2", "`../b`", "`..`"]);
    refused("a/../b", &["line 1", "`..`"]);
    refused("/etc/passwd", &["line 1", "absolute path"]);
    refused("a\0b\0", &["line 1", "zero byte", "`-z`"]);
    refused("a\tb", &["line 1", "control character"]);
    refused(&"x".repeat(5000), &["line 1", "longer than any path"]);
    refused(" a", &["line 1", "a space"]);
}

#[test]
fn paths_that_git_quotes_are_read_as_they_are() {
    for (written, meant) in [
        (r#""caf\303\251/main.tf""#, "café/main.tf"),
        (r#""café/a\"b\\c.tf""#, r#"café/a"b\c.tf"#),
        (r#""live/a\"b/""#, r#"live/a"b"#),
        (r#""./live/\"a\"""#, r#"live/"a""#),
        (r#""\"""#, r#"""#),
    ] {
        assert_eq!(lines(&format!("x\n{written}\n")), ["1:x".to_owned(), format!("2:{meant}")], "{written}");
    }
    assert_eq!(lines("caf\u{e9}\n\"caf\\303\\251\"\n"), ["1:café"]);
    for unusable in [
        r#"""#,
        r#""""#,
        r#""a"#,
        r#""a" "#,
        r#""a"b""#,
        r#""a/b""#,
        r#""café""#,
        r#""a\""#,
        r#""\x41""#,
        r#""\30""#,
        r#""\400""#,
        r#""\351""#,
    ] {
        refused(&format!("x\n{unusable}\n"), &["line 2", "is in quotes: it is no list of affected components"]);
    }
    for control in [r#""a\tb""#, r#""a\nb""#, r#""a\177""#] {
        refused(control, &["line 1", "control character"]);
    }
    refused(r#""a\000""#, &["line 1", "zero byte"]);
    refused(r#""../\"x""#, &["line 1", r#"`../"x` has a segment `..`"#]);
}

#[test]
fn a_path_in_brackets_is_no_json_and_broken_json_is_no_path() {
    for path in
        ["[slug]/page.tsx", "[...slug]/a", "[[...slug]]/page.tsx", "[slug].tsx", "[1]/a", "[true]-x", "[null]/{a}"]
    {
        assert_eq!(lines(&format!("\n{path}\nweb\n")), [format!("2:{path}"), "3:web".to_owned()]);
    }
    for broken in [
        r#"[{"component": "a""#,
        r#"[{"component": "a"}"#,
        r#"[{"component": "a", "needs": ["b"]"#,
        "[component: a]x",
        "[a, b]/c",
        "['a']/b",
        "[slug]",
        "[slug] x",
        "[slug],",
        "[",
        "[a",
        "[[a]]",
        "[\n]x",
        "{slug}/page.tsx",
    ] {
        refused(broken, &["is no JSON"]);
    }
}

const RULES: &str = "rules:
  - {match: {path: 'live/{stage}/{component}/**'}, environment: '{{ stage }}'}
  - {match: {path: 'live/**', deleted: true}, environment: none}
  - {match: {path: 'charts/{name}/**'}, environment: prod}
  - {match: {component: 'svc-{name}'}, environment: prod}
  - {match: {path: 'stacks/*'}, environment: prod}
  - {match: {path: '**/main.tf'}, environment: prod}
";

fn told(mapped: &Mapped) -> Vec<String> {
    mapped
        .items
        .iter()
        .map(|item| {
            let rule = item.chosen.as_ref().map_or("no rule".to_owned(), |chosen| format!("rule {}", chosen.rule + 1));
            format!("{} by {rule}{}", item.component, if item.deleted { ", deleted" } else { "" })
        })
        .collect()
}

#[test]
fn a_line_becomes_the_capture_component_or_the_folder_its_pattern_names() {
    let config = Config::parse("d.yml", RULES).unwrap();
    let paths = [
        "live/prod/vpc/main.tf",
        "live/prod/vpc",
        "live/dev/vpc/a/b.tf",
        "charts/web/values.yaml",
        "svc-api",
        "stacks/a",
        "x/y/main.tf",
        "main.tf",
        "README.md",
        "charts",
    ];
    let sights: Vec<Sight> = paths
        .iter()
        .enumerate()
        .map(|(index, path)| Sight { path: (*path).to_owned(), removed: false, line: Some(index + 1) })
        .collect();
    let mapped = map(&config, &sights, &BTreeSet::new());
    assert_eq!(
        told(&mapped),
        [
            "vpc by rule 1",
            "vpc by rule 1",
            "charts/web by rule 3",
            "svc-api by rule 4",
            "stacks/a by rule 5",
            "x/y by rule 6",
            ". by rule 6"
        ]
    );
    assert_eq!(mapped.rest, [8, 9]);
}

/// The folders that are asked about for one line or file under one rule, and what becomes of it once they are gone.
fn once_gone(rule: &str, sight: &Sight) -> (Vec<String>, Vec<String>) {
    let config = Config::parse("d.yml", &format!("rules:\n  - {rule}\n")).expect(rule);
    let asked = folders(&config, std::slice::from_ref(sight));
    let mapped = map(&config, std::slice::from_ref(sight), &asked);
    (asked.into_iter().collect(), told(&mapped))
}

fn line(text: &str) -> Sight {
    Sight { path: text.to_owned(), removed: false, line: Some(1) }
}

#[test]
fn of_a_line_that_a_path_rule_maps_the_folder_is_asked_about_and_of_a_name_nothing() {
    for (pattern, text, asked) in [
        ("infra/{stage}/{component}/**", "infra/prod/old/main.tf", "infra/prod/old"),
        ("infra/{stage}/{component}/**", "infra/prod/old", "infra/prod/old"),
        ("{component}/**", "old", "old"),
        ("stacks/{stage}/{component}", "stacks/dev/old", "stacks/dev/old"),
        ("live/{component}/{stage}", "live/old/dev", "live/old/dev"),
        ("stacks/*", "stacks/old", "stacks/old"),
        ("**/main.tf", "x/old/main.tf", "x/old"),
        // These may be files of a component that is there.
        ("services/{component}/*", "services/web/Makefile", "services/web"),
        ("services/{component}/Dockerfile", "services/web/Dockerfile", "services/web"),
        ("charts/{component}/{file}", "charts/web/values.yaml", "charts/web"),
    ] {
        let rule = format!("{{match: {{path: '{pattern}'}}, environment: prod}}");
        let (found, mapped) = once_gone(&rule, &line(text));
        assert_eq!(found, [asked], "{pattern}: {text}");
        assert!(mapped[0].ends_with("by no rule, deleted"), "{pattern}: {mapped:?}");
    }
    for (rule, text) in [
        ("{match: {component: '**'}, environment: prod}", "apps/web"),
        ("{match: {path: 'svc-{component}'}, environment: prod}", "svc-web"),
        ("{match: {path: '//app/**'}, environment: prod}", "//app/web:image"),
        ("{match: {path: '//app/{component}'}, environment: prod}", "//app/web"),
        ("{match: {path: '*.tf'}, environment: prod}", "main.tf"),
        ("{match: {path: 'docs/**'}, environment: none}", "docs/a.md"),
    ] {
        let (found, mapped) = once_gone(rule, &line(text));
        assert_eq!(found, [""; 0], "{rule}: {text}");
        assert!(mapped[0].ends_with("by rule 1"), "{rule}: {mapped:?}");
    }
}

#[test]
fn a_line_whose_folder_is_gone_goes_where_a_rule_for_deleted_ones_sends_it() {
    let rules = "rules:
  - {match: {component: 'svc-*'}, environment: prod}
  - {match: {path: '{root}/{stage}/{component}/**', deleted: true}, environment: destroy}
  - {match: {path: 'docs/**'}, environment: none}
  - {match: {path: 'infra/{stage}/{component}/**'}, environment: prod}
  - {match: {deleted: true}, environment: none}
";
    let config = Config::parse("d.yml", rules).unwrap();
    let lines =
        ["infra/prod/old/main.tf", "infra/prod/old", "infra/prod/new/main.tf", "svc-api", "docs/a.md"].map(line);
    let asked: Vec<String> = folders(&config, &lines).into_iter().collect();
    assert_eq!(asked, ["docs", "infra/prod/new", "infra/prod/old"], "what is gone could go to `destroy`");
    let mapped = map(&config, &lines, &BTreeSet::from(["infra/prod/old".to_owned()]));
    assert_eq!(told(&mapped), ["old by rule 2, deleted", "new by rule 4", "svc-api by rule 1", "docs by rule 3"]);
}

#[test]
fn a_changed_file_stands_for_a_folder_that_its_pattern_names_as_a_submodule_does() {
    let file = |path: &str, removed: bool| Sight { path: path.to_owned(), removed, line: None };
    for (pattern, path, component) in [
        ("modules/vpc/**", "modules/vpc", "modules/vpc"),
        ("{stage}/vpc/**", "prod/vpc", "prod/vpc"),
        ("vendor/**", "vendor", "vendor"),
    ] {
        let rule = format!("{{match: {{path: '{pattern}'}}, environment: prod}}");
        let (asked, mapped) = once_gone(&rule, &file(path, false));
        assert_eq!((asked, mapped), (vec![], vec![format!("{component} by rule 1")]), "{pattern}");
        let (asked, mapped) = once_gone(&rule, &file(path, true));
        assert_eq!((asked, mapped), (vec![path.to_owned()], vec![format!("{component} by no rule, deleted")]));
    }
    for pattern in ["modules/{component}/**", "modules/*/**", "modules/x-{name}/**"] {
        let rule = format!("{{match: {{path: '{pattern}'}}, environment: prod}}");
        assert_eq!(once_gone(&rule, &file("modules/x-README", false)).1, [""; 0], "{pattern}");
    }
}

#[test]
fn a_component_is_deleted_when_its_folder_is_gone_and_nothing_is_asked_of_others() {
    let config = Config::parse("d.yml", RULES).unwrap();
    let sight = |path: &str, removed: bool| Sight { path: path.to_owned(), removed, line: None };
    let sights = [
        sight("live/prod/old/main.tf", true),
        sight("live/prod/kept/old.tf", true),
        sight("live/prod/kept/new.tf", false),
        sight("live/prod/half/old.tf", true),
        sight("charts/old/Chart.yaml", true),
        sight("docs/a.md", true),
        sight("main.tf", true),
    ];
    let asked = folders(&config, &sights);
    let names: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert_eq!(names, ["charts/old", "live/prod/half", "live/prod/old"]);
    let gone = BTreeSet::from(["charts/old".to_owned(), "live/prod/old".to_owned()]);
    let mapped = map(&config, &sights, &gone);
    assert_eq!(
        told(&mapped),
        ["old by rule 2, deleted", "kept by rule 1", "half by rule 1", "charts/old by no rule, deleted", ". by rule 6"]
    );
    assert_eq!(mapped.rest, [5]);
}

/// A chain of dependents, each below the other.
fn chain(depth: usize) -> String {
    let mut text = "[".to_owned();
    for level in 0..depth {
        text.push_str(&format!(r#"{{"component": "c{level}", "dependents": ["#));
    }
    text + &"]}".repeat(depth) + "]"
}

#[test]
fn json_that_is_no_list_is_not_taken_for_the_name_of_a_component() {
    for text in ["null", " null\n", "true", "5", "-1.5e3"] {
        refused(text, &["which is JSON and no list"]);
    }
    assert_eq!(lines("null\nfalse"), ["1:null", "2:false"]);
    assert_eq!(items(r#"[{"component": "a", "path": "./apps/red/"}]"#)[0].path.as_deref(), Some("apps/red"));
}

#[test]
fn dependents_nest_a_hundred_deep_and_deeper_ones_are_refused_with_the_way_out() {
    let found = items(&chain(101));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100].needs, [Need::item(99)]);
    for depth in [102, 5_000, 300_000] {
        refused(&chain(depth), &["more than 100 deep", "at the top of the list", "`[0].dependents[0]"]);
    }
    // What nobody reads may be as deep as it likes.
    let unread = format!(r#"[{{"component": "a", "affected": "x", "y": {}{}}}]"#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(items(&unread).len(), 1);
    let input = "[".repeat(5_000) + &"]".repeat(5_000);
    let pro = format!(
        r#"[{{"component": "a", "settings": {{"pro": {{"pull_request": {{"merged": {{"workflows": {{"a.yml": {{"inputs": {{"x": {input}}}}}}}}}}}}}}}}}]"#
    );
    refused(&pro, &["workflows.a.yml.inputs`", "the input `x`", "nested too deeply"]);
    refused(&format!(r#"[{{"component": "a", "inputs": {{"x": {input}}}}}]"#), &["nested too deeply"]);
    refused(r#"[{"component": "a", "inputs": {"x": 1, "x": 2}}]"#, &["`x` is given twice"]);
}

#[test]
fn dependents_come_in_any_order_of_keys_and_keep_the_order_in_which_they_are_seen() {
    // As `jq --sort-keys` writes it: `dependents` before `stack`.
    let found = items(
        r#"[{"component": "a", "dependents": [{"component": "b", "dependents": null, "stack": "s"}], "stack": "s"},
            {"component": "b", "component_path": "p", "deleted": true, "stack": "s", "dependents": [{"component": "c"}]}]"#,
    );
    let told: Vec<_> = found.iter().map(|item| (item.component.as_str(), item.needs.clone())).collect();
    assert_eq!(told, [("a", vec![]), ("b", vec![Need::item(0)]), ("c", vec![Need::item(1)])]);
    assert_eq!((found[1].path.as_deref(), found[1].deleted), (Some("p"), true), "every sight tells what it knows");
}

#[test]
fn every_sight_of_a_node_tells_what_it_knows_whatever_the_order_of_the_list() {
    let more = r#""settings": {"pro": {"enabled": false}}, "component_path": "p", "deleted": true"#;
    let a = |b: &str| format!(r#"{{"component": "a", "dependents": [{{"component": "b", "stack": "s", {b}}}]}}"#);
    let b = |b: &str| format!(r#"{{"component": "b", "stack": "s", {b}}}"#);
    for (top, below) in [
        // A dependent has its context, the top of the list has not.
        (r#""component_type": "t""#, r#""component_type": "t", "stage": "prod", "tenant": "plat""#),
        (r#""component_type": "t", "stage": "prod", "tenant": null"#, r#""component_type": "t", "tenant": "plat""#),
        // So it is where the type was left out of one.
        (r#""component_type": "t", "stage": "prod""#, r#""tenant": "plat""#),
        (r#""tenant": "plat", "stage": "prod""#, r#""component_type": "t""#),
    ] {
        for (top, below) in [(top.to_owned(), format!("{below}, {more}")), (format!("{top}, {more}"), below.to_owned())]
        {
            for list in [format!("[{}, {}]", a(&below), b(&top)), format!("[{}, {}]", b(&top), a(&below))] {
                let found = items(&list);
                assert_eq!(found.len(), 2, "{list}");
                let one = found.iter().find(|item| item.component == "b").unwrap();
                let fields: Vec<String> = one.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                assert_eq!(fields, ["stage=prod", "tenant=plat"], "{list}");
                let known = (one.path.as_deref(), one.deleted, one.kind.as_deref(), one.needs.len());
                assert_eq!(known, (Some("p"), true, Some("t"), 1), "{list}");
                assert!(matches!(one.wish, Wish::Skip(_)), "{list}");
            }
        }
    }
}

#[test]
fn sights_of_a_node_that_contradict_are_refused_in_either_order() {
    let settings = |file: &str| {
        let pro = serde_json::json!({"pull_request": {"merged": {"workflows": {file: {}}}}});
        format!(r#""settings": {{"pro": {pro}}}"#)
    };
    for (one, other, what) in [
        (r#""stage": "prod""#.to_owned(), r#""stage": "dev""#.to_owned(), "other `stage`"),
        (settings("a.yml"), settings("b.yml"), "other `settings.pro`"),
    ] {
        for kind in ["", r#""component_type": "t", "#] {
            for (one, other) in [(&one, &other), (&other, &one)] {
                let first = format!(r#"{{"component": "a", "stack": "s", "component_type": "t", {one}}}"#);
                let list = format!(r#"[{first}, {{"component": "a", "stack": "s", {kind}{other}}}]"#);
                refused(&list, &["`a` in `s` is listed before with", what, "list it once, or with the same"]);
            }
        }
    }
}

#[test]
fn inputs_that_are_no_strings_are_written_as_they_stand() {
    let found = items(
        r#"[{"component": "a", "inputs": {"n": 1.10, "big": 12345678901234567890123, "b": false, "z": null,
            "l": [1, {"a": "é"}], "s": "a\nb"}}]"#,
    );
    let Wish::Own(own) = &found[0].wish else { panic!("{found:?}") };
    let told: Vec<String> = own.inputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(told, ["b=false", "big=12345678901234567890123", "l=[1,{\"a\":\"é\"}]", "n=1.10", "s=a\nb", "z="]);
}

/// Processor time of this thread in seconds: what others do on the machine does not count.
fn spent(work: impl FnOnce()) -> f64 {
    let now = || -> Option<f64> {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(told.split(' ').next()?.parse::<f64>().ok()? / 1e9)
    };
    let begin = (now(), std::time::Instant::now());
    work();
    match (begin.0, now()) {
        (Some(begin), Some(end)) => end - begin,
        _ => begin.1.elapsed().as_secs_f64(),
    }
}

fn read_atmos(count: usize) {
    let below = |index| {
        format!(
            r#"{{"component":"shared","stack":"s","component_type":"t","dependents":[{{"component":"d{index}","stack":"s"}}]}}"#
        )
    };
    let rows = (0..count).map(|index| {
        let below = below(index);
        format!(r#"{{"component":"c{index}","stack":"s","component_type":"t","dependents":[{below}, {below}]}}"#)
    });
    let found = items(&format!("[{}]", rows.collect::<Vec<_>>().join(",")));
    assert_eq!((found.len(), found[1].needs.len()), (2 * count + 1, count));
}

fn map_lines(count: usize) {
    let config = Config::parse("d.yml", RULES).unwrap();
    let text: String = (0..count).map(|index| format!("live/prod/c{}/f{index}.tf\n", index / 4)).collect();
    let Ok(List::Lines(lines)) = parse(&text) else { panic!("lines") };
    let sights: Vec<Sight> =
        lines.into_iter().map(|line| Sight { path: line.text, removed: false, line: Some(line.number) }).collect();
    assert_eq!(map(&config, &sights, &BTreeSet::new()).items.len(), count / 4);
}

#[test]
fn eight_times_as_much_takes_about_eight_times_as_long() {
    for (what, work) in [("dependents", read_atmos as fn(usize)), ("lines", map_lines)] {
        let (few, many) = (spent(|| work(2_000)), spent(|| work(16_000)));
        // What is gone through again for each item takes 64 times as long.
        assert!(many < few * 24.0, "{what}: {few} s, then {many} s");
    }
}

fn tree(shape: &[(usize, Vec<usize>)], node: usize, depth: usize) -> serde_json::Value {
    let dependents: Vec<_> = match shape.get(node) {
        Some((_, children)) if depth < 4 => {
            children.iter().filter(|child| **child > node).map(|child| tree(shape, *child, depth + 1)).collect()
        }
        _ => Vec::new(),
    };
    serde_json::json!({"component": format!("c{node}"), "stack": "s", "component_type": "t", "dependents": dependents})
}

/// As git quotes a path, with `core.quotePath` or without.
fn as_git_quotes(path: &str, beyond_ascii: bool) -> String {
    let octal = |letter: char| letter.to_string().bytes().map(|byte| format!("\\{byte:03o}")).collect::<String>();
    let written = path.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        '\x07'..='\r' => format!("\\{}", char::from(b"abtnvfr"[letter as usize - 7])),
        '\0'..=' ' | '\x7f' if letter != ' ' => octal(letter),
        '\u{80}'.. if beyond_ascii => octal(letter),
        _ => letter.to_string(),
    });
    format!("\"{}\"", written.collect::<String>())
}

proptest::proptest! {
    #[test]
    fn folding_a_tree_twice_gives_what_folding_it_once_gives(
        shape in proptest::collection::vec((0usize..1, proptest::collection::vec(0usize..8, 0..3)), 8),
        tops in proptest::collection::vec(0usize..8, 1..4),
    ) {
        let once: Vec<_> = tops.iter().map(|top| tree(&shape, *top, 0)).collect();
        let twice: Vec<_> = once.iter().chain(&once).cloned().collect();
        let once = items(&serde_json::Value::from(once).to_string());
        proptest::prop_assert_eq!(&once, &items(&serde_json::Value::from(twice).to_string()));
        let names: BTreeSet<&str> = once.iter().map(|item| item.component.as_str()).collect();
        proptest::prop_assert_eq!(names.len(), once.len());
    }

    #[test]
    fn what_git_quotes_is_read_back_and_any_quoted_text_is_no_panic(
        path in proptest::prelude::any::<String>(),
        beyond_ascii in proptest::bool::ANY,
        other in "\"[a\"\\\\0-9nté]{0,12}\"?",
    ) {
        let written = as_git_quotes(&path, beyond_ascii);
        proptest::prop_assert_eq!(text::unquoted(&written), written.contains('\\').then_some(path));
        if let Some(path) = text::unquoted(&other) {
            let written = as_git_quotes(&path, beyond_ascii);
            proptest::prop_assert_eq!(text::unquoted(&written), written.contains('\\').then_some(path));
        }
    }
}
