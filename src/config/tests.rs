//! The file as a whole: what the contract's example means, and every mistake with its place.

use super::*;

const EXAMPLE: &str = r#"version: 1
branches: [main]
workflow: terraform-apply.yml
ref: main
inputs:
  component: "{{ component }}"
  stack: "{{ stack }}"
  github_environment: "{{ environment }}"
  sha: "{{ sha }}"
environments:
  production:
    after: [staging]
rules:
  - match: {path: "live/{stage}/{component}/**"}
    environment: "{{ stage }}"
  - match: {stack: "{tenant}-{region}-{stage}", component: "eks/*"}
    environment: ["staging", "production"]
    workflow: eks-apply.yml
  - match: {deleted: true}
    environment: none
"#;

fn mistakes(text: &str) -> Vec<String> {
    let findings = Config::parse("d.yml", text).map(|config| format!("{config:?}")).expect_err(text);
    findings.iter().map(Finding::line).collect()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    let told = mistakes(text).join("\n");
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
}

#[test]
fn the_example_of_the_contract_is_read() {
    let config = Config::parse("d.yml", EXAMPLE).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.rules[1].told(), "rule 2 (line 16)");
    assert_eq!(config.rules[2].environments, []);
    assert!(config.rules[2].matcher.deleted);
    assert!(config.deploys("main", Some("trunk")) && !config.deploys("trunk", Some("trunk")));
    assert_eq!(config.before("PRODUCTION").collect::<Vec<_>>(), ["staging"]);
    let item = Item { component: "eks/a".to_owned(), stack: Some("plat-use2-prod".to_owned()), ..Item::default() };
    let (rule, captures) = config.rule_for(&item).unwrap();
    assert_eq!((rule.number, captures["region"].as_str()), (2, "use2"));
    let deleted = Item { deleted: true, ..item };
    assert_eq!(config.rule_for(&deleted).unwrap().0.number, 3);
}

#[test]
fn an_empty_file_says_nothing_and_is_no_mistake() {
    for text in ["", "# nothing yet\n", "---\n", "version: 1\n", "\u{feff}version: 1\n", "rules:\n"] {
        assert_eq!(Config::parse("d.yml", text).unwrap().rules, [], "{text}");
    }
}

#[test]
fn all_mistakes_are_told_together_in_the_order_of_the_file() {
    let told = mistakes(
        "version: 2\nbranch: main\nworkflow: 5\ninputs: {a: [1], b: '{{ nope }}', c: '{{ x'}\nrules:\n  - environment: prod\n  - match: {path: 'a/', stak: x, type: 1}\n    environmnt: prod\n  - wrong\n",
    );
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn mistakes_of_one_key_say_what_is_expected() {
    says("a: 1\na: 2\n", &["config `d.yml`, line 2, column 1: the key `a` is there twice"]);
    says("a: 1\n---\nb: 1\n", &["a second document"]);
    says("rules: *nowhere\n", &["line 1", "names an anchor"]);
    says("{rules: 1}: 2\n", &["line 1"]);
    for text in [
        "a: 1\na: 2\n",
        "a: [\n",
        "a: }\n",
        "a: b: c\n",
        "\ta: 1\n",
        "? [x]\n: 1\n",
        "a: !!binary x\n",
        "%Y\n",
        "a: \"\\q\"\n",
    ] {
        for told in mistakes(text) {
            let jargon = ["Policy", "Option", "deserialize", "serde", "budget", "scalar into"];
            assert!(!jargon.iter().any(|word| told.contains(word)), "{text}: {told}");
        }
    }
    says("rules: {}\n", &["`rules` is a mapping: expected is a list"]);
    says("- a\n", &["the file", "is a list"]);
    says("rules: [\n", &["config `d.yml`, line"]);
    says("version: '1'\n", &["`version` is a text"]);
    says("branches: []\n", &["`branches` is empty"]);
    says("branches: '{a}'\n", &["captures a name"]);
    says("branches: 1.0\n", &["in quotes"]);
    says("environments: [a]\n", &["`environments` is a list"]);
    says("environments: {a: {befor: b}}\n", &["`environments.a` has no key `befor`", "known are `after`"]);
    says("environments: {a: {}, A: {}}\n", &["one environment"]);
    says("workflow: ../x.yml\n", &["`.github/workflows`"]);
    says("inputs: {a: '{{ deployment_ids }}'}\n", &["did you mean `deployment_id`?", "known are `actor`, `base_ref`"]);
}

#[test]
fn mistakes_in_rules_name_the_rule_and_its_key() {
    let rule = |rest: &str| format!("rules:\n  - {rest}\n");
    says(&rule("{match: {}, environment: a}"), &["`rules[0].match` is empty", "\"**\""]);
    says(&rule("{match: {component: a}, environment: []}"), &["empty list", "none"]);
    says(&rule("{match: {component: a}, environment: [none]}"), &["`environment: none` alone"]);
    says(&rule("{match: {component: a}, environment: None}"), &["`environment: none` alone"]);
    says(&rule("{match: {component: a}, environment: ~}"), &["`rules[0].environment` is empty"]);
    says(&rule("{match: {component: a}, environment: a--b}"), &["has an empty segment"]);
    says(&rule("{match: {component: a}, environment: '{{ deployment_id }}'}"), &["only inputs can use it"]);
    says(&rule("{match: {component: '{sha}'}, environment: a}"), &["captures `sha`", "a name of its own"]);
    says(&rule("{match: {component: '{component}'}, environment: a}"), &["captures `component`"]);
    says(&rule("{match: {deleted: maybe}, environment: a}"), &["`rules[0].match.deleted`", "`true` or `false`"]);
    says(&rule("{match: {path: '{a'}, environment: a}"), &["`rules[0].match.path` has a `{`", "line 2, column"]);
    says(&rule("{match: {stack: '{a}--{b}'}, environment: a}"), &["`rules[0].match.stack` has an empty segment"]);
    says(&rule("{match: {path: '{a}/**'}, environment: '{{ b }}'}"), &["uses `b`", "`a`"]);
    assert!(
        Config::parse("d.yml", &rule("{match: {path: 'a/{component}/{stack}/{environment}'}, environment: a}")).is_ok()
    );
}

#[test]
fn yes_no_on_and_off_are_texts_and_no_truth_values() {
    let text =
        "inputs: {region: no, debug: On, force: false}\nrules:\n  - match: {component: y}\n    environment: off\n";
    let config = Config::parse("d.yml", text).unwrap();
    let inputs: Vec<(&str, Option<&str>)> = config
        .defaults
        .inputs
        .iter()
        .map(|(name, template)| (name.as_str(), template.as_ref().and_then(Template::text)))
        .collect();
    assert_eq!(inputs, [("debug", Some("On")), ("force", Some("false")), ("region", Some("no"))]);
    assert_eq!(config.rules[0].environments.iter().filter_map(Template::text).collect::<Vec<_>>(), ["off"]);
    assert!(config.rules[0].matcher.component.as_ref().is_some_and(|pattern| pattern.matches("y")));
    for text in ["yes", "Yes", "on", "no", "'true'"] {
        let rule = format!("rules:\n  - {{match: {{deleted: {text}}}, environment: none}}\n");
        says(&rule, &["line 2, column 23: `rules[0].match.deleted` is a text: expected is `true` or `false`"]);
    }
}

#[test]
fn after_that_names_what_nothing_goes_to_is_a_doubt_and_a_circle_a_mistake() {
    let rule = "rules:\n  - {match: {component: a}, environment: [staging, prod]}\n";
    let doubts = |after: &str, present: &[&str]| {
        let config = Config::parse("d.yml", &format!("environments: {{prod: {{after: {after}}}}}\n{rule}")).unwrap();
        config
            .doubts(&present.iter().map(|name| (*name).to_owned()).collect())
            .iter()
            .map(Finding::line)
            .collect::<Vec<_>>()
    };
    assert!(doubts("stagin", &[])[0].contains("names `stagin`"));
    assert_eq!(doubts("[Staging]", &[]), Vec::<String>::new());
    // A list may name it itself.
    assert_eq!(doubts("stagin", &["stagin"]), Vec::<String>::new());
    says(
        "environments: {a: {after: b}, b: {after: c}, c: {after: A}}\n",
        &["goes round in a circle", "a after b after c after a"],
    );
    says("environments: {a: {after: a}}\n", &["a after a"]);
    let open = "environments: {prod: {after: stagin}}\nrules:\n  - {match: {path: '{s}/**'}, environment: '{{ s }}'}\n";
    let config = Config::parse("d.yml", open).unwrap();
    assert_eq!(config.doubts(&BTreeSet::new()).len(), 1);
    assert_eq!(config.doubts(&BTreeSet::from(["Stagin".to_owned()])), []);
}

#[test]
fn a_rule_that_can_never_match_is_a_warning() {
    let warnings = |first: &str, second: &str| {
        let text = format!("rules:\n  - {{match: {first}, environment: a}}\n  - {{match: {second}, environment: b}}\n");
        Config::parse("d.yml", &text).unwrap().warnings
    };
    for (first, second) in [
        ("{path: 'live/**'}", "{path: 'live/{x}/**'}"),
        ("{component: '**'}", "{stack: 'a-*'}"),
        ("{component: 'a/*'}", "{component: 'a/{b}', type: helm}"),
        ("{deleted: true}", "{deleted: true, component: x}"),
    ] {
        let found = warnings(first, second);
        assert_eq!(found.len(), 1, "{first} before {second}");
        assert!(found[0].line().contains("rule 2 (line 3): can never match: rule 1 (line 2)"), "{}", found[0].line());
    }
    for (first, second) in [
        ("{path: 'live/**'}", "{path: '**'}"),
        ("{component: '**'}", "{deleted: true}"),
        ("{component: '**', type: helm}", "{component: x}"),
        ("{path: '**'}", "{component: x}"),
        ("{component: '{a}/*', stack: '{a}-*'}", "{component: 'x/*', stack: 'y-*'}"),
    ] {
        assert_eq!(warnings(first, second), [], "{first} before {second}");
    }
}
