//! A sound world has no findings; each case spoils one thing, and exactly the check that is about it speaks.

use std::collections::BTreeSet;

use super::*;
use crate::{
    checks::{ALL, Check},
    finding::Severity::{self, Error, Warning},
    github::{Policy, Rules},
    run::Reviewer,
    workflow,
};
use EnvironmentCheck::{Exists, Off, Protected};

const APPLY: &str = "
name: apply
run-name: apply ${{ inputs.deployment_id }}
on:
  workflow_dispatch:
    inputs:
      component: {type: string, required: true}
      github_environment: {type: environment, required: true}
      mode: {type: choice, options: [plan, apply], default: apply}
      force: {type: boolean}
      lines: {type: number}
      sha: {type: string}
      deployment_id: {type: string}
jobs:
  check: {runs-on: ubuntu-latest}
  apply:
    runs-on: ubuntu-latest
    environment: ${{ inputs.github_environment }}
";

/// Facts and a plan, to be spoiled.
struct World {
    planned: Planned,
    facts: Facts,
    check: EnvironmentCheck,
}

fn source() -> Source {
    ("apply.yml".to_owned(), "main".to_owned())
}

fn sound() -> World {
    let inputs = [("component", "vpc"), ("github_environment", "prod")];
    let reviewers = vec![Reviewer::User("mona".to_owned())];
    let rules = Some(Rules { reviewers, ..Rules::default() });
    let prod = Environment { name: "Prod".to_owned(), rules, policy: Policy::Any };
    let state = Ok(WorkflowState { state: "active".to_owned() });
    let workflow = WorkflowFacts { state, file: Ok(workflow::read(APPLY)) };
    World {
        planned: Planned {
            component: "vpc".to_owned(),
            environment: "prod".to_owned(),
            workflow: "apply.yml".to_owned(),
            git_ref: "main".to_owned(),
            inputs: inputs.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Planned::default()
        },
        facts: Facts {
            environments: Some(Ok(vec![prod])),
            workflows: [(source(), workflow)].into(),
            names_runs: true,
            ..Facts::default()
        },
        check: Exists,
    }
}

impl World {
    fn findings(&self) -> Vec<Finding> {
        let one = Open { planned: &self.planned, id: "0123456789ab".to_owned(), merge_commit: "c0ffee" };
        findings(&[one], &self.facts, self.check)
    }

    fn workflow(&mut self) -> &mut WorkflowFacts {
        self.facts.workflows.get_mut(&source()).unwrap()
    }

    /// Rewrites the workflow's file.
    fn rewrite(&mut self, from: &str, to: &str) {
        assert!(APPLY.contains(from), "{from}");
        self.workflow().file = Ok(workflow::read(&APPLY.replace(from, to)));
    }

    fn prod(&mut self) -> &mut Environment {
        match &mut self.facts.environments {
            Some(Ok(all)) => &mut all[0],
            other => panic!("{other:?}"),
        }
    }

    fn input(&mut self, name: &str, value: &str) {
        self.planned.inputs.insert(name.to_owned(), value.to_owned());
    }

    fn patterns(&mut self, patterns: &[(&str, &str)]) {
        self.prod().policy = Policy::Patterns;
        let pattern = |(kind, name): &(&str, &str)| Pattern { name: (*name).to_owned(), kind: (*kind).to_owned() };
        self.facts.patterns.insert("Prod".to_owned(), Ok(patterns.iter().map(pattern).collect()));
    }

    /// The apply job calls a workflow of this repository.
    fn calls(&mut self, with: &str, called: Answer<Result<Declared, String>>) {
        let job = format!("uses: ./.github/workflows/inner.yml\n    with: {{{with}}}");
        self.rewrite("runs-on: ubuntu-latest\n    environment: ${{ inputs.github_environment }}", &job);
        self.facts.called.insert((".github/workflows/inner.yml".to_owned(), "main".to_owned()), called);
    }
}

/// The merge of a preview, into the branch that is dispatched on.
fn merge() -> TestMerge {
    TestMerge { base: "main".to_owned(), commit: "c0ffee".to_owned(), made: true, default: true }
}

fn not_found<T>() -> Answer<T> {
    Err(Trouble::NotFound { what: "GET /x".to_owned() })
}

fn forbidden<T>() -> Answer<T> {
    let needs = Some("actions: read".to_owned());
    Err(Trouble::Forbidden { what: "GET /x".to_owned(), message: "Resource not accessible".to_owned(), needs })
}

fn odd<T>() -> Answer<T> {
    Err(Trouble::Refused { what: "GET /x".to_owned(), status: 200, message: "of another shape".to_owned() })
}

const INNER: &str = "
on: {workflow_call: {inputs: {target: {type: string}, preset: {type: string, default: prod}}}}
jobs: {apply: {environment: {name: '${{ inputs.target }}'}}}
";

fn inner(from: &str, to: &str) -> Answer<Result<Declared, String>> {
    Ok(workflow::read(&INNER.replace(from, to)))
}

type Case = (Check, Severity, EnvironmentCheck, fn(&mut World));

/// What spoils a sound world, and which check says so, how loudly, under which `environment-check`.
fn cases() -> Vec<Case> {
    let mut cases = environment_cases();
    cases.extend(workflow_cases());
    cases.extend(dispatch_cases());
    cases.extend(job_cases());
    cases
}

fn environment_cases() -> Vec<Case> {
    vec![
        (Check::Permission, Error, Off, |world| world.workflow().state = forbidden()),
        (Check::Permission, Error, Off, |world| world.workflow().file = forbidden()),
        (Check::EnvironmentMissing, Error, Exists, |world| world.prod().name = "produktion".to_owned()),
        // A further job takes one that nobody made.
        (Check::EnvironmentMissing, Error, Exists, |world| {
            world.rewrite("check: {runs-on: ubuntu-latest}", "check: {runs-on: ubuntu-latest, environment: 'eu-prod'}");
        }),
        (Check::EnvironmentUnreadable, Error, Exists, |world| world.facts.environments = Some(not_found())),
        (Check::EnvironmentUnreadable, Error, Exists, |world| world.facts.environments = Some(odd())),
        (Check::EnvironmentUnreadable, Warning, Exists, |world| world.prod().rules = None),
        (Check::EnvironmentUnreadable, Error, Protected, |world| world.prod().rules = None),
        (Check::EnvironmentUnreadable, Error, Protected, |world| {
            world.prod().rules = Some(Rules::default());
            world.facts.apps.insert("Prod".to_owned(), not_found());
        }),
        (Check::EnvironmentUnprotected, Warning, Exists, |world| world.prod().rules = Some(Rules::default())),
        (Check::EnvironmentUnprotected, Error, Protected, |world| world.prod().rules = Some(Rules::default())),
        (Check::EnvironmentRef, Error, Exists, |world| {
            world.prod().policy = Policy::Protected;
            world.facts.protected_branches = Some(Ok(vec!["release".to_owned()]));
        }),
        (Check::EnvironmentRef, Error, Exists, |world| world.patterns(&[("branch", "release/*")])),
        (Check::EnvironmentRef, Error, Exists, |world| {
            world.patterns(&[("tag", "main")]);
            world.planned.git_ref = "refs/heads/main".to_owned();
            let facts = world.facts.workflows.remove(&source()).unwrap();
            world.facts.workflows.insert(("apply.yml".to_owned(), "refs/heads/main".to_owned()), facts);
        }),
        (Check::EnvironmentRef, Error, Exists, |world| world.patterns(&[])),
        (Check::EnvironmentUnreadable, Warning, Exists, |world| {
            world.prod().policy = Policy::Protected;
            world.facts.protected_branches = Some(odd());
        }),
        (Check::EnvironmentUnreadable, Error, Protected, |world| {
            world.prod().policy = Policy::Patterns;
            world.facts.patterns.insert("Prod".to_owned(), not_found());
        }),
        (Check::SelfReview, Warning, Exists, |world| {
            world.prod().rules.as_mut().unwrap().prevent_self_review = true;
        }),
    ]
}

fn workflow_cases() -> Vec<Case> {
    vec![
        (Check::WorkflowMissing, Error, Exists, |world| world.workflow().state = not_found()),
        (Check::WorkflowMissing, Error, Exists, |world| world.workflow().file = not_found()),
        (Check::WorkflowMissing, Warning, Exists, |world| {
            world.facts.merge = Some(merge());
            world.workflow().state = not_found();
        }),
        // A merge brings GitHub to know a workflow on the default branch alone.
        (Check::WorkflowMissing, Error, Exists, |world| {
            world.facts.merge = Some(TestMerge { default: false, ..merge() });
            world.workflow().state = not_found();
        }),
        (Check::WorkflowMissing, Error, Exists, |world| {
            world.facts.merge = Some(TestMerge { base: "release".to_owned(), ..merge() });
            world.workflow().state = not_found();
        }),
        (Check::TestMerge, Warning, Exists, |world| world.facts.merge = Some(TestMerge { made: false, ..merge() })),
        (Check::WorkflowDisabled, Error, Exists, |world| {
            world.workflow().state = Ok(WorkflowState { state: "disabled_manually".to_owned() });
        }),
        (Check::WorkflowUnreadable, Error, Exists, |world| world.workflow().state = odd()),
        (Check::WorkflowUnreadable, Error, Exists, |world| world.workflow().file = odd()),
        (Check::WorkflowUnreadable, Error, Exists, |world| world.rewrite("name: apply\n", "name: apply\nname: b\n")),
        (Check::WorkflowNotDispatchable, Error, Exists, |world| world.rewrite("workflow_dispatch:", "workflow_call:")),
    ]
}

fn dispatch_cases() -> Vec<Case> {
    vec![
        (Check::InputUndeclared, Error, Exists, |world| world.input("stack", "plat")),
        (Check::InputUndeclared, Error, Exists, |world| world.input("MODE", "plan")),
        (Check::InputMissing, Error, Exists, |world| world.input("component", "")),
        (Check::InputMissing, Error, Exists, |world| drop(world.planned.inputs.remove("component"))),
        (Check::InputValue, Error, Exists, |world| world.input("mode", "destroy")),
        (Check::InputValue, Error, Exists, |world| world.input("force", "yes")),
        (Check::InputValue, Error, Exists, |world| world.input("lines", "many")),
        (Check::InputValue, Error, Exists, |world| {
            world.rewrite("      sha:", "      second: {type: environment}\n      sha:");
            world.input("second", "nowhere");
        }),
        (Check::InputLimits, Error, Exists, |world| world.input("sha", &format!("c0ffee{}", "x".repeat(65_535)))),
        (Check::InputLimits, Error, Exists, |world| {
            let more: String = (0..26).map(|number| format!("      i{number}: {{}}\n")).collect();
            world.rewrite("      sha:", &format!("{more}      sha:"));
        }),
        (Check::RunTitle, Error, Exists, |world| {
            world.facts.names_runs = false;
            world.rewrite("run-name: apply ${{ inputs.deployment_id }}", "run-name: apply");
        }),
        (Check::Concurrency, Warning, Exists, |world| world.rewrite("jobs:\n", "concurrency: apply\njobs:\n")),
        (Check::Concurrency, Warning, Exists, |world| {
            world.rewrite(
                "jobs:\n",
                "concurrency: {group: '${{ inputs.component }}', cancel-in-progress: true}\njobs:\n",
            );
        }),
        // The run's id must really become a part of the group's name.
        (Check::Concurrency, Warning, Exists, |world| {
            world.rewrite("jobs:\n", "concurrency: github.run_id\njobs:\n");
        }),
        (Check::Concurrency, Warning, Exists, |world| {
            world.rewrite("jobs:\n", "concurrency: '${{ inputs.mode || github.run_id }}'\njobs:\n");
        }),
        (Check::Concurrency, Warning, Exists, |world| {
            world.rewrite("jobs:\n", "concurrency: '${{ inputs.sha }}'\njobs:\n");
        }),
        (Check::MergeCommit, Warning, Exists, |world| world.rewrite("      sha: {type: string}\n", "")),
    ]
}

fn job_cases() -> Vec<Case> {
    const OURS: &str = "${{ inputs.github_environment }}";
    vec![
        (Check::JobEnvironment, Error, Exists, |world| world.rewrite(&format!("    environment: {OURS}"), "")),
        (Check::JobEnvironment, Warning, Off, |world| world.rewrite(&format!("    environment: {OURS}"), "")),
        (Check::JobEnvironment, Error, Protected, |world| world.rewrite(OURS, "{name: staging}")),
        (Check::JobEnvironment, Error, Exists, |world| world.rewrite(OURS, "${{ inputs.environment }}")),
        (Check::JobEnvironment, Error, Exists, |world| world.calls("target: staging", inner("", ""))),
        (Check::JobEnvironment, Error, Exists, |world| world.calls("", inner("", ""))),
        (Check::JobEnvironmentUnknown, Warning, Exists, |world| world.rewrite(OURS, "${{ vars.ENVIRONMENT }}")),
        (Check::JobEnvironmentUnknown, Error, Protected, |world| world.rewrite(OURS, "${{ vars.ENVIRONMENT }}")),
        (Check::JobEnvironmentUnknown, Error, Protected, |world| world.rewrite(OURS, "[prod]")),
        (Check::JobEnvironmentUnknown, Error, Protected, |world| {
            world.rewrite(
                "runs-on: ubuntu-latest\n    environment: ${{ inputs.github_environment }}",
                "uses: other/repository/.github/workflows/apply.yml@v1",
            );
        }),
        (Check::JobEnvironmentUnknown, Warning, Exists, |world| world.calls("", not_found())),
        (Check::JobEnvironmentUnknown, Warning, Exists, |world| world.calls("", Ok(workflow::read("a: [")))),
        (Check::JobEnvironmentUnknown, Warning, Exists, |world| {
            world.calls("", inner("{environment: {name: '${{ inputs.target }}'}}", "{uses: ./x.yml}"));
        }),
    ]
}

/// Whether a text has the table's shape: the parts between `…`, in their order.
fn fits(shape: &str, text: &str) -> bool {
    let mut rest = text;
    shape.split('…').all(|part| match rest.split_once(part.trim()) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[test]
fn a_sound_world_has_no_findings_however_strict_the_check() {
    for check in [Exists, Protected, Off] {
        assert_eq!(World { check, ..sound() }.findings(), []);
    }
}

#[test]
fn each_check_speaks_when_its_world_is_spoilt_and_no_other_does() {
    for (number, (check, severity, mode, spoil)) in cases().into_iter().enumerate() {
        let mut world = World { check: mode, ..sound() };
        spoil(&mut world);
        let found = world.findings();
        let told: Vec<_> = found.iter().map(|finding| (finding.check, finding.severity)).collect();
        assert_eq!(told, [(check, severity)], "case {number}: {found:#?}");
        let finding = &found[0];
        let row = ALL.iter().find(|row| row.check == check).unwrap();
        assert!(fits(row.shape, &finding.line()), "{}\n{}", row.shape, finding.line());
        let words = match finding.severity {
            Error => "error",
            Warning => "warning",
        };
        assert!(row.severity.contains(words), "{}: {}", row.code, row.severity);
        let names_component = finding.components.contains("`vpc`") || check == Check::Permission;
        assert!(names_component && !finding.remedy.is_empty(), "case {number}: {finding:#?}");
    }
}

#[test]
fn every_check_of_the_table_has_a_case() {
    // These are about list, config, plan and rollout: the tests of those are theirs.
    let elsewhere = [Check::List, Check::Mapping, Check::Cycle, Check::Config, Check::StateSize, Check::MaxDeployments];
    let told: BTreeSet<Check> = cases().into_iter().map(|(check, ..)| check).chain(elsewhere).collect();
    assert_eq!(told, ALL.iter().map(|row| row.check).collect());
}

#[test]
fn what_is_right_in_another_way_is_right() {
    let right: [fn(&mut World); 16] = [
        |world| world.rewrite("${{ inputs.github_environment }}", "PROD"),
        |world| {
            world.rewrite("${{ inputs.github_environment }}", "{name: '${{ github.event.inputs.GITHUB_ENVIRONMENT }}'}")
        },
        |world| world.rewrite("${{ inputs.github_environment }}", "${{ inputs.github_environment || 'dev' }}"),
        |world| world.calls("target: '${{ inputs.github_environment }}'", inner("", "")),
        |world| world.calls("", inner("inputs.target", "inputs.preset")),
        |world| world.calls("", inner("inputs.target", "github.event.inputs.github_environment")),
        |world| world.patterns(&[("tag", "v*"), ("branch", "ma*")]),
        |world| {
            world.prod().policy = Policy::Protected;
            world.facts.protected_branches = Some(Ok(Vec::new()));
        },
        |world| world.prod().rules = Some(Rules { wait_minutes: 5, ..Rules::default() }),
        |world| {
            world.prod().rules = Some(Rules::default());
            world.facts.apps.insert("Prod".to_owned(), Ok(vec!["guard".to_owned()]));
        },
        |world| world.rewrite("jobs:\n", "concurrency: {group: apply, queue: max}\njobs:\n"),
        |world| world.rewrite("jobs:\n", "concurrency: 'apply-${{ github.run_id }}'\njobs:\n"),
        |world| world.rewrite("jobs:\n", "concurrency: {group: '${{ inputs.deployment_id }}'}\njobs:\n"),
        // A workflow that the merge adds is judged as any other.
        |world| world.facts.merge = Some(merge()),
        |world| world.facts.names_runs = false,
        |world| world.input("lines", "1e3"),
    ];
    for (number, change) in right.into_iter().enumerate() {
        let mut world = World { check: Protected, ..sound() };
        change(&mut world);
        assert_eq!(world.findings(), [], "{number}");
    }
}

#[test]
fn a_mistyped_name_is_answered_with_the_nearest() {
    let mut world = sound();
    world.planned.environment = "prodd".to_owned();
    world.input("github_environment", "prodd");
    let found = world.findings();
    assert_eq!(found[0].check, Check::EnvironmentMissing);
    assert!(found[0].line().contains("Did you mean `Prod`?"), "{}", found[0].line());
    assert_eq!(found[0].environment.as_deref(), Some("prodd"));
}

#[test]
fn a_finding_in_a_file_names_its_line() {
    let mut world = sound();
    world.input("mode", "destroy");
    let place = world.findings().remove(0).place.unwrap();
    assert_eq!((place.file.as_str(), place.line), (".github/workflows/apply.yml", Some(9)));
}

#[test]
fn the_same_mistake_of_many_deployments_is_one_finding() {
    let mut world = sound();
    world.input("stack", "plat");
    let other = Planned { component: "app".to_owned(), ..world.planned.clone() };
    let open = [&world.planned, &other].map(|planned| Open { planned, id: String::new(), merge_commit: "c0ffee" });
    let found = findings(&open, &world.facts, Exists);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].line().starts_with("`app` and `vpc`: workflow `apply.yml` declares no input `stack`"));
}
