//! Random broken worlds through the real binary: whatever a check finds, nothing is dispatched, and every
//! error is told in annotation, comment and summary.

use std::fs;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRng, TestRunner},
};
use serde_json::{Value, json};
use simulated_github::{Environment, Fault, Server, When, World};

use crate::stage::{APPLY, PULL, Stage, component, play_all, world};

/// So many worlds are played.
const WORLDS: usize = 60;

/// One way to spoil a deployment that has a workflow and an environment of its own.
struct Spoil {
    /// The checks that must speak, as errors.
    codes: &'static [&'static str],
    /// What must be said, in words that Markdown leaves alone.
    says: &'static str,
    /// What is done to the world, given the workflow's file name and the environment's.
    how: fn(&mut World, &str, &str),
}

/// Rewrites a workflow on the default branch.
fn rewrite(world: &mut World, file: &str, from: &str, to: &str) {
    assert!(APPLY.contains(from), "{from}");
    world.workflow(file, &APPLY.replace(from, to));
}

fn vanish(world: &mut World, file: &str) {
    world.branches.get_mut("main").unwrap().files.remove(&format!(".github/workflows/{file}"));
}

const SPOILS: &[Spoil] = &[
    Spoil {
        codes: &["environment-missing"],
        says: "GitHub would create it without any protection",
        how: |world, _, environment| world.environments.retain(|known| known.name != environment),
    },
    Spoil {
        codes: &["environment-ref"],
        says: "does not admit deployments from",
        how: |world, _, name| world.environment(Environment::named(name).reviewed_by(&["mona"]).only_from(&["v/*"])),
    },
    Spoil {
        codes: &["environment-unprotected"],
        says: "what goes there is applied at once",
        how: |world, _, name| world.environment(Environment::named(name)),
    },
    Spoil {
        codes: &["environment-unreadable"],
        says: "whether it has custom protection rules",
        how: |world, _, name| {
            world.environment(Environment::named(name));
            let path = format!("/environments/{name}/");
            let rules = When::get("/deployment_protection_rules").and(move |asked| asked.request.path.contains(&path));
            world.faults.always(rules, Fault::NotFound);
        },
    },
    Spoil {
        codes: &["job-environment"],
        says: "they take none",
        how: |world, file, _| rewrite(world, file, "    environment: ${{ inputs.github_environment }}\n", ""),
    },
    Spoil {
        codes: &["job-environment"],
        says: "takes this environment: they take",
        how: |world, file, _| rewrite(world, file, "${{ inputs.github_environment }}", "e0-other"),
    },
    Spoil {
        codes: &["job-environment-unknown"],
        says: "it cannot be told whether a job of workflow",
        how: |world, file, _| rewrite(world, file, "${{ inputs.github_environment }}", "${{ vars.WHERE }}"),
    },
    Spoil {
        codes: &["workflow-missing"],
        says: "where it would be dispatched",
        how: |world, file, _| vanish(world, file),
    },
    Spoil {
        codes: &["workflow-missing"],
        says: "does not exist on the default branch, so GitHub cannot dispatch it",
        how: |world, file, _| {
            vanish(world, file);
            world.workflows.retain(|known| !known.path.ends_with(&format!("/{file}")));
        },
    },
    Spoil {
        codes: &["workflow-disabled"],
        says: "is not active",
        how: |world, file, _| {
            let path = format!(".github/workflows/{file}");
            world.workflows.iter_mut().find(|known| known.path == path).unwrap().state = "disabled_manually".to_owned();
        },
    },
    Spoil {
        codes: &["workflow-unreadable"],
        says: "cannot be read on",
        how: |world, file, _| rewrite(world, file, "name: apply\n", "name: apply\nname: twice\n"),
    },
    Spoil {
        codes: &["workflow-not-dispatchable"],
        says: "trigger on",
        how: |world, file, _| rewrite(world, file, "workflow_dispatch:", "workflow_call:"),
    },
    Spoil {
        codes: &["input-undeclared", "input-missing"],
        says: "declares no input",
        how: |world, file, _| rewrite(world, file, "stack:", "stage:"),
    },
    Spoil {
        codes: &["input-missing"],
        says: "and nothing sets it",
        how: |world, file, _| rewrite(world, file, "      sha:", "      more: {required: true}\n      sha:"),
    },
    Spoil {
        codes: &["input-value"],
        says: "Accepted is one of",
        how: |world, file, _| {
            rewrite(world, file, "component: {type: string", "component: {type: choice, options: [x]")
        },
    },
    Spoil {
        codes: &["input-limits"],
        says: "Declare at most 25",
        how: |world, file, _| {
            let more: String = (0..26).map(|number| format!("      i{number}: {{}}\n")).collect();
            rewrite(world, file, "      sha:", &format!("{more}      sha:"));
        },
    },
    Spoil {
        codes: &["run-title"],
        says: "this server does not name the run that a dispatch makes",
        how: |world, file, _| {
            world.enterprise = true;
            world.server = Server::Refuses;
            rewrite(world, file, "run-name:", "x-run-name:");
        },
    },
];

/// One world: how each deployment is spoilt, if it is, and how the action comes to run.
#[derive(Debug, Clone)]
struct Drawn {
    spoils: Vec<Option<usize>>,
    event: &'static str,
    wait: bool,
    comment: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let spoil = prop::option::weighted(0.6, 0..SPOILS.len());
    let events = prop::sample::select(vec!["merge", "merge", "asked", "preview"]);
    (prop::collection::vec(spoil, 0..4), 0..SPOILS.len(), any::<prop::sample::Index>(), events, any::<bool>(), 0..8u8)
        .prop_map(|(mut spoils, surely, place, event, wait, comment)| {
            spoils.insert(place.index(spoils.len() + 1), Some(surely));
            Drawn { spoils, event, wait, comment: comment > 0 }
        })
}

/// The stage of a drawn world.
fn set(drawn: &Drawn) -> Stage {
    let mut world = world();
    let mut list: Vec<Value> = Vec::new();
    for (number, spoil) in drawn.spoils.iter().enumerate() {
        let (file, environment) = (format!("w{number}.yaml"), format!("e{number}"));
        world.workflow(&file, APPLY);
        world.environment(Environment::named(&environment).reviewed_by(&["mona"]));
        if let Some(spoil) = spoil {
            (SPOILS[*spoil].how)(&mut world, &file, &environment);
        }
        let text = component(&format!("c{number}"), "plat", &environment, &[]).to_string();
        list.push(serde_json::from_str(&text.replace("atmos-terraform-apply.yaml", &file)).unwrap());
    }
    if drawn.event == "preview" {
        world.open_pull_request(PULL, "Widen the subnets", "octocat");
    }
    let mut stage = Stage::new(world, &json!(list))
        .input("environment-check", "protected")
        .input("wait", if drawn.wait { "true" } else { "false" })
        .input("comment", if drawn.comment { "true" } else { "false" });
    let event = match drawn.event {
        "preview" => json!({"action": "synchronize", "number": PULL}),
        "asked" => json!({"action": "run"}),
        _ => return stage,
    };
    fs::write(stage.folder.path().join("event.json"), event.to_string()).unwrap();
    if drawn.event == "asked" {
        stage.set("GITHUB_EVENT_NAME", "workflow_dispatch");
        stage.set_input("pull-request", "42");
    }
    stage
}

fn play(drawn: &Drawn) {
    let stage = set(drawn);
    let ended = stage.run();
    let told = |what: &str| format!("{what} of {drawn:?}\n{}", ended.log);
    assert_eq!((ended.output("result"), ended.code), ("failed", Some(1)), "{}", told("the end"));
    let comment = stage.comment();
    assert_eq!(comment.is_empty(), !drawn.comment, "{}", told("the comment"));
    for (number, spoil) in drawn.spoils.iter().enumerate() {
        let Some(Spoil { codes, says, .. }) = spoil.map(|index| &SPOILS[index]) else {
            continue;
        };
        let name = format!("`c{number}` in `plat`");
        for code in *codes {
            let title = format!("::error title={code}");
            let named = |line: &str| line.contains(&title) && line.contains(&name);
            assert!(ended.log.lines().any(named), "{}", told(&title));
        }
        for place in [&ended.summary, &comment].into_iter().take(if drawn.comment { 2 } else { 1 }) {
            let named = |line: &str| line.starts_with("- ❌ error") && line.contains(says) && line.contains(&name);
            assert!(place.lines().any(named), "{}\n{place}", told(says));
        }
    }
    stage.github.world(|world| {
        let sent = world.exchanges.iter().filter(|exchange| exchange.path.ends_with("/dispatches")).count();
        assert_eq!((sent, world.dispatches().len()), (0, 0), "{}", told("dispatches"));
        assert_eq!(world.environments_made_on_use(), Vec::<&str>::new(), "{}", told("environments"));
        assert_eq!(world.violations, Vec::<String>::new(), "{}", told("requests"));
    });
}

#[test]
fn no_error_of_a_random_world_is_followed_by_a_dispatch_and_each_is_told_everywhere() {
    let config = Config::default();
    let seeded = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, seeded);
    // Each way to spoil alone, then what comes of chance.
    let alone = (0..SPOILS.len()).map(|spoil| Drawn {
        spoils: vec![Some(spoil), None],
        event: "merge",
        wait: true,
        comment: true,
    });
    let random = (0..WORLDS).map(|_| drawn().new_tree(&mut runner).unwrap().current());
    let worlds: Vec<Drawn> = alone.chain(random).collect();
    play_all(&worlds, play);
}
