use proptest::prelude::*;

use super::*;

fn value(text: &str) -> Value {
    read(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}")).value
}

/// A tree as JSON, for comparing.
fn json(text: &str) -> serde_json::Value {
    fn of(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(of).collect(),
            Value::Map(pairs) => pairs.iter().map(|(key, node)| (key.name.clone(), of(node))).collect(),
        }
    }
    of(&read(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}")))
}

#[test]
fn values_keep_their_places_and_numbers_their_spelling() {
    let tree = read("a: 1\nb:\n  - x\n  - {c: 012345678901, 7: 1.10}\nd: ~\ne: true\nf:\n").unwrap();
    let keys: Vec<String> =
        tree.pairs().iter().map(|(key, _)| format!("{} {}:{}", key.name, key.place.line, key.place.column)).collect();
    assert_eq!(keys, ["a 1:1", "b 2:1", "d 5:1", "e 6:1", "f 7:1"]);
    let list = tree.get("b").unwrap().items();
    assert_eq!(list[0], Node { place: Place { line: 3, column: 5 }, value: Value::Text("x".to_owned()) });
    let inner = list[1].pairs();
    assert_eq!(inner[0].1.value, Value::Number("012345678901".to_owned()));
    assert_eq!((inner[1].0.name.as_str(), &inner[1].1.value), ("7", &Value::Number("1.10".to_owned())));
    assert_eq!(tree.get("d").unwrap().value, Value::Null);
    assert_eq!(tree.get("f").unwrap().value, Value::Null);
}

#[test]
fn plain_scalars_are_what_the_core_schema_says() {
    for (written, meant) in [
        ("yes", "t"),
        ("on", "t"),
        ("NO", "t"),
        ("~", "0"),
        ("null", "0"),
        ("nULL", "t"),
        ("True", "b"),
        ("tRUE", "t"),
        ("12", "1"),
        ("-3", "1"),
        ("+.5e3", "1"),
        ("0x1F", "1"),
        ("0o17", "1"),
        ("1_000", "t"),
        (".inf", "1"),
        ("-.INF", "1"),
        (".nan", "1"),
        ("1.2.3", "t"),
        ("2026-11-22", "t"),
        ("-", "t"),
        (".", "t"),
        ("+", "t"),
        ("0x", "t"),
        ("1e", "t"),
        ("12:30", "t"),
        ("'12'", "t"),
        ("\"~\"", "t"),
        ("!!str 12", "t"),
        ("!!int '12'", "1"),
        ("!custom 12", "1"),
        ("! 12", "1"),
        ("!custom '12'", "t"),
        ("|-\n 12", "t"),
        (">-\n true", "t"),
    ] {
        let text = if written == "-" { "\"-\"" } else { written };
        let kind = match value(text) {
            Value::Null => "0",
            Value::Bool(_) => "b",
            Value::Number(_) => "1",
            Value::Text(_) => "t",
            other => panic!("{written}: {other:?}"),
        };
        assert_eq!(kind, meant, "{written}");
    }
}

#[test]
fn aliases_and_merges_are_unfolded() {
    assert_eq!(
        json(
            "base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\nmany: {<<: [*b, {z: 4, x: 5}], w: *b}\nlist: [*b]\nquoted: {'<<': 1}\n"
        ),
        serde_json::json!({
            "base": {"x": 1, "y": 2},
            "one": {"y": 3, "x": 1},
            "many": {"w": {"x": 1, "y": 2}, "x": 1, "y": 2, "z": 4},
            "list": [{"x": 1, "y": 2}],
            "quoted": {"<<": 1},
        })
    );
    assert_eq!(json("&k a: x\nb: *k\nc: {*k : y}\n"), serde_json::json!({"a": "x", "b": "a", "c": {"a": "y"}}));
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    for (text, line, column, what) in [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key `a` is there twice: every key must be there once"),
        ("&k a: 1\n*k : 2\n", 2, 1, "the key `a` is there twice: every key must be there once"),
        ("a: {<<: 1}\n", 1, 9, "`<<` takes a mapping or a list of mappings"),
        ("a: {<<: [{}, 1]}\n", 1, 14, "`<<` takes a mapping or a list of mappings"),
        ("a: 1\n---\nb: 1\n", 2, 1, "a second document begins here (`---`): the file must be one"),
        ("a: *b\n", 1, 4, "it names an anchor (`*name`) that no `&name` before it defines"),
        ("a: &b [*b]\n", 1, 8, "it names an anchor (`*name`) inside of what that stands for"),
        ("? [x]\n: 1\n", 1, 3, "a key must be a text"),
        ("~: 1\n", 1, 1, "a key must be a text"),
        ("a: !!int x\n", 1, 10, "`x` is not what its tag says"),
    ] {
        let (place, told) = read(text).expect_err(text);
        assert_eq!((place.line, place.column, told.as_str()), (line, column, what), "{text}");
    }
    for text in ["a: [1\n", "a: }\n", "a: b: c\n", "%Y\n", "a: \"\\q\"\n", "a: 'x\n"] {
        let (place, told) = read(text).expect_err(text);
        assert!(place.line > 0 && told.contains("it is no YAML: ") || told.contains("ends in the middle"), "{told}");
    }
}

#[test]
fn nothing_small_unfolds_to_something_large() {
    for deep in ["[".repeat(5000), "{a: ".repeat(5000), "- ".repeat(5000)] {
        assert!(read(&deep).is_err());
    }
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        let last = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [last.as_str(); 10].join(", ")));
        tower.push_str(&format!("a{level}: &a{level} [{last}]\n"));
    }
    for text in [bomb, tower] {
        assert!(read(&text).is_err_and(|(_, told)| told.contains("too large, or nested too deeply")));
    }
}

#[test]
fn an_empty_document_is_nothing() {
    for text in ["", "\u{feff}", "# nothing\n", "---\n", "---\n...\n", "~"] {
        assert_eq!(value(text), Value::Null, "{text:?}");
    }
    assert_eq!(json("\u{feff}---\na: 1\n...\n"), serde_json::json!({"a": 1}));
}

/// Another reader's view, where it sees one document and no number that is written in more than one way.
fn elsewhere(text: &str) -> Option<serde_json::Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).ok()
}

#[test]
fn files_that_people_wrote_are_read_as_another_reader_reads_them() {
    let all = walk(std::path::Path::new(".")).into_iter().filter(|path| {
        let name = path.to_string_lossy();
        (name.ends_with(".yml") || name.ends_with(".yaml")) && !name.contains("node_modules")
    });
    let mut compared = 0;
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(other) = elsewhere(&text) else { continue };
        assert_eq!(json(&text), other, "{}", path.display());
        compared += 1;
    }
    assert!(compared > 5, "{compared}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type().unwrap().is_dir() {
            true if !["target", ".git", "node_modules"].contains(&name.as_str()) => found.extend(walk(&entry.path())),
            true => {}
            false => found.push(entry.path()),
        }
    }
    found
}

proptest! {
    #[test]
    fn what_two_readers_accept_is_the_same_tree(
        text in "(([ab]|\\? |- |  |: |\\{|\\}|\\[|\\]|, |true|~|'|\"|x y|\n|\n  |\n- |a: |b:\n  |\\||>-\n|#|&a |\\*a |!!str |<<: ){0,16})"
    ) {
        if let (Ok(_), Some(other)) = (read(&text), elsewhere(&text)) {
            prop_assert_eq!(json(&text), other);
        }
    }

    #[test]
    fn any_text_is_a_tree_or_a_mistake(text in "[-\\[\\]{}:,&*!<>|'\"#%~ a1\\n]{0,40}") {
        let _ = read(&text);
    }
}
