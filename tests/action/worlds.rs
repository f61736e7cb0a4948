//! Random worlds through the pure core: what passes the checks is accepted by GitHub and waits where it
//! should, and no error is ever followed by a dispatch.

use std::collections::BTreeMap;

use deployment_approvals::{
    checks::Check,
    finding::{Finding, Severity},
    fresh::{Course, course},
    github::{self, Pattern, Policy, Rules, WorkflowState},
    inputs::EnvironmentCheck,
    plan::{Planned, Subject},
    preflight::{self, Facts, WorkflowFacts},
    rollout::{Deployment, Rollout},
    run::Reviewer,
    workflow,
};
use proptest::prelude::*;
use serde_json::json;
use simulated_github::{Environment, Request, World};

/// The pieces a workflow is put together from; some are wrong for some of the plans.
const TRIGGERS: [&str; 4] = ["workflow_dispatch", "workflow_dispatch", "workflow_dispatch", "workflow_call"];
const INPUTS: [&str; 7] = [
    "component: {type: string, required: true}",
    "target: {type: string}",
    "mode: {type: choice, options: [plan, apply], default: apply}",
    "force: {type: boolean}",
    "lines: {type: number, required: true}",
    "sha: {}",
    "deployment_id: {type: string}",
];
const JOBS: [&str; 7] = [
    "environment: '${{ inputs.target }}'",
    "environment: {name: '${{ github.event.inputs.target }}'}",
    "environment: production",
    "environment: staging",
    "environment: '${{ vars.WHERE }}'",
    "timeout-minutes: 5",
    "environment: 'eu-${{ inputs.target }}'",
];
const NAMES: [&str; 5] = ["production", "Production", "staging", "eu-production", "prodcution"];
const VALUES: [&str; 6] = ["vpc", "", "plan", "true", "7", "yes"];

#[derive(Debug, Clone)]
struct Drawn {
    workflow: String,
    state: &'static str,
    environments: Vec<(&'static str, bool, u8)>,
    plans: Vec<(&'static str, BTreeMap<String, String>)>,
    check: EnvironmentCheck,
}

/// Mostly sound, so that many worlds pass, and spoilt here and there.
fn drawn() -> impl Strategy<Value = Drawn> {
    let state = prop::sample::select(vec!["active", "active", "active", "active", "disabled_manually"]);
    let check =
        prop::sample::select(vec![EnvironmentCheck::Exists, EnvironmentCheck::Protected, EnvironmentCheck::Off]);
    let environments = (0..NAMES.len())
        .map(|index| (Just(NAMES[index]), prop::bool::weighted(0.7), prop::sample::select(vec![0u8, 0, 2, 2, 2, 1])))
        .collect::<Vec<_>>();
    let kept = prop::collection::vec(prop::bool::weighted(0.75), NAMES.len());
    let environments = (environments, kept).prop_map(|(all, kept)| {
        all.into_iter().zip(kept).filter(|(_, keep)| *keep).map(|(environment, _)| environment).collect()
    });
    (workflow(), state, environments, prop::collection::vec(plan(), 1..3), check)
        .prop_map(|(workflow, state, environments, plans, check)| Drawn { workflow, state, environments, plans, check })
}

fn workflow() -> impl Strategy<Value = String> {
    let inputs = prop::collection::vec(prop::bool::weighted(0.95), INPUTS.len());
    let job = prop_oneof![6 => Just(JOBS[0]), 4 => prop::sample::select(&JOBS[..])];
    (prop::sample::select(&TRIGGERS[..]), inputs, job).prop_map(|(trigger, kept, job)| {
        let inputs = INPUTS.iter().zip(kept).filter(|(_, keep)| *keep);
        let inputs: Vec<String> = inputs.map(|(input, _)| format!("      {input}\n")).collect();
        format!(
            "on:\n  {trigger}:\n    inputs:\n{}      x: {{}}\njobs:\n  apply:\n    runs-on: a\n    {job}\n",
            inputs.concat()
        )
    })
}

fn plan() -> impl Strategy<Value = (&'static str, BTreeMap<String, String>)> {
    let name = prop::sample::select(vec!["component", "mode", "force", "lines", "y"]);
    let other = (name, prop::sample::select(&VALUES[..])).prop_map(|(name, value)| (name.to_owned(), value.to_owned()));
    let spoilt = prop::option::weighted(0.4, other);
    (prop::sample::select(&NAMES[..]), spoilt).prop_map(|(environment, spoilt)| {
        let sound = [("component", "vpc"), ("lines", "7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        (environment, sound.into_iter().chain(spoilt).collect())
    })
}

/// The drawn world as GitHub has it, and as preflight reads it.
fn both(drawn: &Drawn) -> (World, Facts) {
    let mut world = World::new("acme", "infra");
    world.workflow("apply.yml", &drawn.workflow);
    world.workflows[0].state = drawn.state.to_owned();
    let mut facts = Facts { names_runs: true, ..Facts::default() };
    let mut listed: Vec<github::Environment> = Vec::new();
    for (name, reviewed, policy) in &drawn.environments {
        if listed.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        let mut environment = Environment::named(name);
        let mut rules = Rules::default();
        if *reviewed {
            environment = environment.reviewed_by(&["mona"]);
            rules.reviewers.push(Reviewer::User("mona".to_owned()));
        }
        let patterns: &[&str] = match policy {
            0 => &["main", "v*"],
            1 => &["release/*"],
            _ => &[],
        };
        let policy = if *policy < 2 { Policy::Patterns } else { Policy::Any };
        if policy == Policy::Patterns {
            environment = environment.only_from(patterns);
            let pattern = |name: &&str| Pattern { name: (*name).to_owned(), kind: "branch".to_owned() };
            facts.patterns.insert((*name).to_owned(), Ok(patterns.iter().map(pattern).collect()));
        }
        world.environment(environment);
        listed.push(github::Environment { name: (*name).to_owned(), rules: Some(rules), policy });
    }
    if drawn.check != EnvironmentCheck::Off {
        facts.environments = Some(Ok(listed));
    }
    let state = Ok(WorkflowState { state: drawn.state.to_owned() });
    let workflow = WorkflowFacts { state, file: Ok(workflow::read(&drawn.workflow)) };
    facts.workflows.insert(("apply.yml".to_owned(), "main".to_owned()), workflow);
    (world, facts)
}

fn rollout(drawn: &Drawn) -> Rollout {
    let subject = Subject { merge_commit: "c0ffee".repeat(6), ..Subject::default() };
    let deployments = drawn.plans.iter().enumerate().map(|(number, (environment, inputs))| {
        let mut inputs = inputs.clone();
        inputs.insert("target".to_owned(), (*environment).to_owned());
        Deployment::new(Planned {
            component: format!("c{number}"),
            environment: (*environment).to_owned(),
            workflow: "apply.yml".to_owned(),
            git_ref: "main".to_owned(),
            inputs,
            ..Planned::default()
        })
    });
    let started_at = "2026-03-02T09:00:00Z".parse().unwrap();
    Rollout { deployments: deployments.collect(), subject, started_at }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_passes_is_accepted_by_github_and_makes_no_environment(drawn in drawn()) {
        let (mut world, facts) = both(&drawn);
        let rollout = rollout(&drawn);
        let open = preflight::open(&rollout);
        let findings = preflight::findings(&open, &facts, drawn.check);
        let begins = course(&rollout, &findings, false) == Course::Begin;
        let error = findings.iter().any(|finding| finding.severity == Severity::Error);
        prop_assert_eq!(begins, !error);
        if !begins {
            return Ok(());
        }
        let declared = facts.workflows.values().next().unwrap().declared().unwrap();
        for one in &open {
            let body = json!({"ref": "main", "inputs": one.inputs(declared), "return_run_details": true});
            let answer = world.ask(Request {
                method: "POST".to_owned(),
                path: "/repos/acme/infra/actions/workflows/apply.yml/dispatches".to_owned(),
                headers: [("authorization".to_owned(), "Bearer token".to_owned())].into(),
                body: body.to_string().into_bytes(),
                ..Request::default()
            }).unwrap();
            prop_assert_eq!(answer.status, 200, "{}\n{:#?}", answer.body, findings);
        }
        world.pass(std::time::Duration::from_secs(60));
        world.advance();
        let told = |check: Check| findings.iter().any(|finding| finding.check == check);
        if drawn.check != EnvironmentCheck::Off && !told(Check::JobEnvironmentUnknown) {
            for run in world.runs.values() {
                let target = &run.inputs["target"];
                let gate = drawn.environments.iter().find(|(name, ..)| name.eq_ignore_ascii_case(target));
                let reviewed = gate.is_some_and(|(_, reviewed, _)| *reviewed);
                prop_assert!(!reviewed || run.status() == "waiting", "{}", run.status());
            }
            let made: Vec<&str> =
                world.environments.iter().filter(|made| made.made_on_use).map(|made| made.name.as_str()).collect();
            prop_assert!(made.is_empty(), "{:?} {:#?}", made, findings);
            let branch = |run: &&simulated_github::Run| run.conclusion() == Some("failure");
            prop_assert!(world.runs.values().find(branch).is_none(), "{:#?}", findings);
        }
    }

    #[test]
    fn no_error_of_any_check_is_followed_by_a_dispatch(
        picks in prop::collection::vec((0..deployment_approvals::checks::ALL.len(), any::<bool>()), 0..6),
        deployments in 0usize..4,
        dry_run in any::<bool>(),
    ) {
        let findings: Vec<Finding> = picks.into_iter().map(|(index, error)| {
            let severity = if error { Severity::Error } else { Severity::Warning };
            Finding::of(deployment_approvals::checks::ALL[index].check, severity, "", "")
        }).collect();
        let started_at = "2026-03-02T09:00:00Z".parse().unwrap();
        let deployments = vec![Deployment::new(Planned::default()); deployments];
        let rollout = Rollout { subject: Subject::default(), started_at, deployments };
        let error = findings.iter().any(|finding| finding.severity == Severity::Error);
        let held = findings.iter().any(|finding| finding.check == Check::MaxDeployments);
        let course = course(&rollout, &findings, dry_run);
        prop_assert_eq!(course == Course::Refuse, error);
        prop_assert!(course != Course::Begin || !(error || held || dry_run || rollout.deployments.is_empty()));
    }
}
