//! What rules and lists become: environments, workflows, inputs, order.

use super::*;
use crate::{
    affected::{self, List, Sight},
    checks::Check,
};
use proptest::prelude::*;

fn subject() -> Subject {
    Subject {
        repository: "acme/infra".to_owned(),
        pull_request: 42,
        merge_commit: "c".repeat(40),
        head_sha: "d".repeat(40),
        base_ref: "main".to_owned(),
        author: "octocat".to_owned(),
        merged_by: "hubot".to_owned(),
        ..Subject::default()
    }
}

fn planned(config: &str, list: &str) -> Result<(Vec<Planned>, Vec<Finding>), Vec<Finding>> {
    let config = Config::parse("d.yml", config).expect("a config");
    let Ok(List::Items(items)) = affected::parse(list) else { panic!("{list}") };
    make(&subject(), &config, &items)
}

fn rows(config: &str, list: &str) -> Vec<String> {
    let (plan, _) = planned(config, list).unwrap_or_else(|findings| panic!("{findings:#?}"));
    plan.iter()
        .map(|row| match &row.skip {
            Some(reason) => format!("{} skipped: {reason}", row.name()),
            None => {
                let needs: Vec<String> = row.needs.iter().map(usize::to_string).collect();
                format!(
                    "{} → {} by {} on {} after [{}]: {}",
                    row.name(),
                    row.environment,
                    row.workflow,
                    row.git_ref,
                    needs.join(" "),
                    row.why
                )
            }
        })
        .collect()
}

#[track_caller]
fn refused(config: &str, list: &str, parts: &[&str]) {
    let findings = planned(config, list).expect_err(list);
    let of_items = |finding: &&Finding| finding.check == Check::Mapping;
    assert!(findings.iter().filter(of_items).all(|finding| !finding.components.is_empty()), "{findings:#?}");
    let told: Vec<String> = findings.iter().map(Finding::line).collect();
    for part in parts {
        assert!(told.join("\n").contains(part), "`{part}` is not in: {told:#?}");
    }
}

const RULE: &str = "workflow: apply.yml
inputs: {component: '{{ component }}', environment: '{{ environment }}', id: 'x-{{ deployment_id }}'}
rules:
  - {match: {stack: '{tenant}-{stage}', component: 'eks/*'}, environment: '{{ stage }}'}
  - match: {component: '{name}', path: 'live/**'}
    environment: [staging, production]
    workflow: '{{ name }}.yml'
    ref: release
    inputs: {component: ~, by: '{{ actor }} of #{{ pull_request }} at {{ sha }}'}
  - {match: {component: docs}, environment: none}
";

#[test]
fn rules_decide_environment_workflow_ref_and_inputs() {
    let list = r#"[{"component": "eks/a", "stack": "acme-prod"}, {"component": "web", "path": "live/web"}, {"component": "docs"}]"#;
    assert_eq!(
        rows(RULE, list),
        [
            "`eks/a` in `acme-prod` → prod by apply.yml on main after []: rule 1 (line 4), default workflow",
            "`web` → staging by web.yml on release after []: rule 2 (line 5)",
            "`web` → production by web.yml on release after []: rule 2 (line 5)",
            "`docs` skipped: rule 3 (line 10) says `environment: none`",
        ]
    );
    let (plan, _) = planned(RULE, list).unwrap();
    let inputs =
        |row: usize| plan[row].inputs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    let mark = format!("id=x-{ID_MARK}");
    assert_eq!(inputs(0), ["component=eks/a", "environment=prod", mark.as_str()]);
    let by = format!("by=hubot of #42 at {}", "c".repeat(40));
    assert_eq!(inputs(1), [by.as_str(), "environment=staging", mark.as_str()]);
}

#[test]
fn a_rule_wins_over_settings_and_settings_over_nothing() {
    let atmos = |component: &str| {
        format!(
            r#"[{{"component": "{component}", "stack": "acme-prod", "component_type": "terraform", "settings": {{"pro": {{"pull_request":
            {{"merged": {{"workflows": {{"own.yml": {{"inputs": {{"github_environment": "own"}}}}}}}}}}}}}}}}]"#
        )
    };
    assert_eq!(
        rows(RULE, &atmos("eks/a")),
        ["`eks/a` in `acme-prod` → prod by apply.yml on main after []: rule 1 (line 4), default workflow"]
    );
    assert_eq!(
        rows(RULE, &atmos("vpc")),
        ["`vpc` in `acme-prod` → own by own.yml on main after []: `settings.pro`, input `github_environment`"]
    );
}

#[test]
fn what_settings_map_is_dispatched_on_the_default_ref_too() {
    let list = r#"[{"component": "vpc", "stack": "acme-prod", "component_type": "terraform", "settings": {"pro": {"pull_request":
        {"merged": {"workflows": {"own.yml": {"inputs": {"github_environment": "own"}}}}}}}}]"#;
    for (git_ref, on) in [
        ("release", "release"),
        ("refs/tags/v1", "refs/tags/v1"),
        ("'{{ base_ref }}/{{ stack }}-{{ environment }}'", "main/acme-prod-own"),
    ] {
        let config = format!("ref: {git_ref}\nworkflow: apply.yml\ninputs: {{a: b}}\n");
        let (plan, _) = planned(&config, list).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let inputs = BTreeMap::from([("github_environment".to_owned(), "own".to_owned())]);
        let row = (plan[0].workflow.as_str(), plan[0].git_ref.as_str(), &plan[0].inputs);
        assert_eq!(row, ("own.yml", on, &inputs), "workflow and inputs stay as the settings say");
    }
    refused("ref: '{{ stage }}'\n", list, &["its `ref` (the default, `{{ stage }}`) uses `stage`, which has no value"]);
}

#[test]
fn a_ref_that_no_dispatch_takes_is_refused() {
    let list = r#"[{"component": "a", "environment": "prod"}]"#;
    let settings = r#"[{"component": "a", "settings": {"pro": {"pull_request":
        {"merged": {"workflows": {"own.yml": {"inputs": {"environment": "prod"}}}}}}}}]"#;
    for (git_ref, part) in [
        ("'{{ sha }}'", "which is a commit, and a dispatch takes a branch or tag"),
        ("'{{ head_sha }}'", "pass the commit by the input `sha`"),
        ("0123456789abcdef0123456789ABCDEF01234567", "`0123456789abcdef0123456789ABCDEF01234567`, which is a commit"),
        ("'{{ stack }}'", "its `ref` is ``, which is no branch or tag"),
        ("a b", "its `ref` is `a b`, which is no branch or tag"),
    ] {
        for list in [list, settings] {
            refused(&format!("workflow: a.yml\nref: {git_ref}\n"), list, &["`a`: its `ref` is `", part]);
        }
    }
    let short = "workflow: a.yml\nref: 0a1b2c3\n";
    assert_eq!(rows(short, list), ["`a` → prod by a.yml on 0a1b2c3 after []: the list, default workflow"]);
}

#[test]
fn deleted_components_go_only_where_a_rule_for_deleted_ones_sends_them() {
    let list = r#"[{"component": "eks/a", "stack": "acme-prod", "component_type": "terraform", "deleted": true}]"#;
    assert_eq!(
        rows(RULE, list),
        ["`eks/a` in `acme-prod` skipped: it was deleted, and no rule says what to do with a deleted component"]
    );
    let destroy = "rules:\n  - {match: {deleted: true, stack: '{tenant}-{stage}'}, environment: '{{ stage }}', workflow: destroy.yml}\n";
    assert_eq!(rows(destroy, list), ["`eks/a` in `acme-prod` → prod by destroy.yml on main after []: rule 1 (line 2)"]);
}

#[test]
fn a_plain_list_needs_no_rule_where_it_names_the_environment() {
    let list = r#"[{"component": "b", "environment": "prod", "needs": ["a"]}, {"component": "a", "environment": "prod", "workflow": "own.yaml", "inputs": {"environment": "mine"}}]"#;
    assert_eq!(
        rows("workflow: apply.yml\nref: '{{ base_ref }}-x'\n", list),
        [
            "`a` → prod by own.yaml on main-x after []: the list",
            "`b` → prod by apply.yml on main-x after [0]: the list, default workflow"
        ]
    );
    refused("", list, &["`b`: no workflow is named for it (the list)", "at the top of the config file"]);
    refused(
        "",
        r#"[{"component": "a"}]"#,
        &["nothing maps it to an environment: it names no `environment`", "`d.yml`"],
    );
}

#[test]
fn a_need_means_the_same_environment_if_there_is_one_and_else_all() {
    let config = "workflow: a.yml\nrules:\n  - {match: {component: db}, environment: [dev, prod]}\n  - {match: {component: net}, environment: shared}\n  - {match: {component: none}, environment: none}\n";
    let list = r#"[{"component": "app", "environment": "PROD", "needs": ["db", "net"]}, {"component": "db", "needs": ["none"]},
                   {"component": "net"}, {"component": "none", "needs": ["net"]}]"#;
    let (plan, _) = planned(config, list).unwrap();
    let name = |index: &usize| format!("{} {}", plan[*index].component, plan[*index].environment);
    let needs = |component: &str| {
        plan.iter()
            .filter(|row| row.component == component)
            .map(|row| row.needs.iter().map(name).collect::<Vec<_>>().join(", "))
            .collect::<Vec<_>>()
    };
    assert_eq!(needs("app"), ["net shared, db prod"]);
    assert_eq!(needs("db"), ["net shared", "net shared"], "what is not deployed hands on what it needs");
}

#[test]
fn after_waits_for_the_same_component_in_any_stack_and_for_nothing_where_there_is_none() {
    let config = "workflow: a.yml\nenvironments: {Production: {after: [staging]}, staging: {after: dev}}\n";
    let list = r#"[{"component": "a", "environment": "production"}, {"component": "a", "stack": "x", "environment": "Staging"},
                   {"component": "a", "stack": "y", "environment": "staging"}, {"component": "b", "environment": "production"}]"#;
    assert_eq!(
        rows(config, list),
        [
            "`a` in `x` → Staging by a.yml on main after []: the list, default workflow",
            "`a` in `y` → staging by a.yml on main after []: the list, default workflow",
            "`a` → production by a.yml on main after [0 1]: the list, default workflow",
            "`b` → production by a.yml on main after []: the list, default workflow",
        ]
    );
}

#[test]
fn cycles_across_environments_are_none_and_real_ones_are_named() {
    // a/1 needs b, b/2 needs a: in each environment one way only.
    let list = r#"[{"component": "a", "stack": "1", "environment": "x", "needs": ["b"]}, {"component": "b", "stack": "1", "environment": "x"},
                   {"component": "b", "stack": "2", "environment": "y", "needs": ["a"]}, {"component": "a", "stack": "2", "environment": "y"}]"#;
    assert_eq!(rows("workflow: a.yml\n", list).len(), 4);
    let cycle = r#"[{"component": "a", "environment": "x", "needs": ["b"]}, {"component": "b", "environment": "x", "needs": ["a"]}]"#;
    refused("workflow: a.yml\n", cycle, &["form a cycle: `a` → `x` needs `b` → `x` needs `a` → `x`"]);
    let across = r#"[{"component": "a", "environment": "staging", "needs": ["b"]}, {"component": "b", "environment": "production", "needs": []},
                     {"component": "b", "environment": "staging", "stack": "s", "needs": ["a"]}]"#;
    refused("workflow: a.yml\nenvironments: {production: {after: staging}}\n", across, &["form a cycle", "`after`"]);
}

#[test]
fn a_component_in_one_environment_twice_is_refused() {
    let list = r#"[{"component": "a", "environment": "prod"}, {"component": "a", "environment": "Prod"}]"#;
    refused("workflow: a.yml\n", list, &["`a`: goes to `Prod` twice by workflow `a.yml`"]);
    let rules = "workflow: a.yml\nrules:\n  - {match: {component: a}, environment: [prod, prod]}\n";
    refused(rules, r#"[{"component": "a"}]"#, &["twice", "rule 1 (line 3)"]);
}

/// What becomes of changed files.
fn of_files(config: &str, files: &[&str]) -> Result<Vec<Planned>, Vec<Finding>> {
    let config = Config::parse("d.yml", config).expect("a config");
    let sight = |path: &&str| Sight { path: (*path).to_owned(), ..Sight::default() };
    let sights: Vec<Sight> = files.iter().map(sight).collect();
    make(&subject(), &config, &affected::map(&config, &sights, &BTreeSet::new()).items).map(|(plan, _)| plan)
}

#[test]
fn two_files_of_one_component_are_one_deployment_unless_their_rules_deploy_it_differently() {
    let rules = |one: &str, all: &str| {
        format!(
            "workflow: a.yml
inputs: {{at: '{{{{ environment }}}}'}}
rules:
  - {{match: {{path: 'charts/{{component}}/*.md'}}, environment: none}}
  - {{match: {{path: 'charts/{{component}}/docs/**'}}, environment: none}}
  - {{match: {{path: 'charts/{{component}}/values-{{stage}}.yaml'}}, environment: '{{{{ stage }}}}'{one}}}
  - {{match: {{path: 'charts/{{component}}/**'}}, environment: [staging, prod]{all}}}
"
        )
    };
    let files =
        ["charts/web/templates/a.yaml", "charts/web/values-staging.yaml", "charts/web/a.md", "charts/web/docs/b.txt"];
    let mut backwards = files;
    backwards.reverse();
    for files in [files, backwards] {
        let plan = of_files(&rules("", ""), &files).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let told: BTreeSet<&str> = plan.iter().map(|row| row.environment.as_str()).collect();
        // What both of the first rules leave out is told once.
        assert_eq!((plan.len(), told), (3, BTreeSet::from(["", "prod", "staging"])), "{plan:#?}");
    }
    for (one, all) in [(", inputs: {x: y}", ""), ("", ", ref: release"), (", inputs: {at: ~}", "")] {
        let told: Vec<String> =
            of_files(&rules(one, all), &files[..2]).expect_err(one).iter().map(Finding::line).collect();
        let part =
            "`web`: goes to `staging` twice by workflow `a.yml`: by rule 4 (line 7), default workflow and by rule 3";
        assert!(told.join("\n").contains(part), "{told:#?}");
    }
}

#[test]
fn what_templates_make_of_an_item_is_checked() {
    let rule = |environment: &str| {
        format!("workflow: a.yml\nrules:\n  - {{match: {{component: '{{x}}'}}, environment: '{environment}'}}\n")
    };
    for (environment, component, part) in [
        ("{{ stack }}", "a", "has an empty segment"),
        ("plat-{{ stack }}", "a", "has an empty segment"),
        ("{{ x }}", "{{y", "contains `{{`"),
        ("{{ x }}", "<no value>", "contains `<no value>`"),
        ("{{ tenant }}", "a", "uses `tenant`, which has no value here; known are `actor`"),
        ("{% if x == \"b\" %}c{% endif %}", "a", "has an empty segment"),
    ] {
        refused(&rule(environment), &format!(r#"[{{"component": "{component}"}}]"#), &[part, "rule 1 (line 3)"]);
    }
    let changes = "workflow: a.yml\ninputs: {id: '{% if deployment_id < \"0\" %}x{% endif %}'}\n";
    refused(changes, r#"[{"component": "a", "environment": "b"}]"#, &["changes `deployment_id`", "every try"]);
    let workflow = "workflow: '{{ component }}.yml'\n";
    refused(workflow, r#"[{"component": "a/b", "environment": "b"}]"#, &["`a/b.yml`", "is no file"]);
}

#[test]
fn names_with_every_meaningful_character_come_through_whole() {
    let name = "a`b|c*d_[e](f)<g>&h\\\"i' $(j) ${{ k }} %0A::l:: @m #n ~ é 漢 🚀";
    let list = serde_json::json!([{"component": name, "environment": "prod"}]).to_string();
    let (plan, _) = planned("workflow: a.yml\ninputs: {c: '{{ component }}'}\n", &list).unwrap();
    assert_eq!((plan[0].component.as_str(), plan[0].inputs["c"].as_str()), (name, name));
}

proptest! {
    #[test]
    fn every_plan_respects_every_need_and_making_it_twice_makes_the_same(
        needs in prop::collection::vec((0usize..3, prop::collection::vec(0usize..10, 0..3)), 10),
    ) {
        let list: Vec<_> = needs
            .iter()
            .enumerate()
            .map(|(index, (environment, needs))| {
                let needs: Vec<String> = needs.iter().filter(|need| **need != index).map(|need| format!("c{need}")).collect();
                serde_json::json!({"component": format!("c{index}"), "environment": format!("e{environment}"), "needs": needs})
            })
            .collect();
        let list = serde_json::Value::from(list).to_string();
        let made = planned("workflow: a.yml\nenvironments: {e0: {after: [e1]}}\n", &list);
        prop_assert_eq!(&made, &planned("workflow: a.yml\nenvironments: {e0: {after: [e1]}}\n", &list));
        if let Ok((plan, _)) = made {
            prop_assert_eq!(plan.len(), 10);
            for (index, row) in plan.iter().enumerate() {
                prop_assert!(row.needs.iter().all(|need| *need < index));
                let number: usize = row.component[1..].parse().unwrap();
                let wanted: BTreeSet<String> = needs[number].1.iter().filter(|need| **need != number).map(|need| format!("c{need}")).collect();
                let got: BTreeSet<String> = row.needs.iter().map(|need| plan[*need].component.clone()).collect();
                prop_assert_eq!(wanted, got);
            }
        }
    }
}
