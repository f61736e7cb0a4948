//! Situations, as a reviewer or an on-call finds them. Snapshots are reviewed like code.

use deployment_approvals::{
    checks::Check,
    finding::{Finding, Severity},
    github::{Environment, Rules},
    plan::Companion,
    report::Watcher,
    rollout::{Deployment, End, Progress},
    run::Reviewer,
    state::Stage,
};

use crate::given::{Becomes, Given, at, deployment, given};

const RUN: u64 = 19_876_543_217;
const PEOPLE: [&str; 2] = ["mona", "team/platform"];

/// Comment and summary, whole.
fn shown(given: &Given) -> String {
    format!("{}\n\n══════ job summary ══════\n\n{}", given.comment(), given.summary())
}

/// database → api → cdn in production, and a database in dev.
fn shop(dev: Deployment, [database, api, cdn]: [Deployment; 3]) -> Given {
    given(vec![dev, database, api.needs(&[1]), cdn.needs(&[2])])
}

fn production() -> [Deployment; 3] {
    ["database", "api", "cdn"].map(|name| deployment(name, "shop-prod", "production"))
}

fn dev() -> Deployment {
    deployment("database", "shop-dev", "dev").succeeded(RUN)
}

#[test]
fn one_gate_waits() {
    let [database, api, cdn] = production();
    insta::assert_snapshot!(shown(&shop(dev(), [database.waiting(RUN + 7, &PEOPLE), api, cdn])));
}

#[test]
fn several_gates_and_a_wait_timer() {
    let many = (0..7).map(|index| {
        let stack = format!("shop-eu{index}");
        deployment("network", &stack, "production").waiting(RUN + index, &PEOPLE)
    });
    let mut all: Vec<Deployment> = many.collect();
    all.push(deployment("cluster", "shop-eu0", "production").needs(&[0]));
    all.push(deployment("dns", "global", "canary").waiting(RUN + 20, &[]).timer(90));
    all.push(deployment("dns", "payments", "regulated").waiting(RUN + 21, &["auditor"]).timer(30));
    insta::assert_snapshot!(shown(&given(all)));
}

#[test]
fn all_are_under_way() {
    let [database, api, cdn] = production();
    let database = database.reviewed("approved", "mona", "after the backup").running(RUN + 7);
    let other = deployment("queue", "shop-dev", "dev").queued(RUN + 9);
    let mut given = shop(dev(), [database, api, cdn]);
    given.rollout.deployments.push(other);
    insta::assert_snapshot!(shown(&given));
}

#[test]
fn all_succeeded() {
    let [database, api, cdn] =
        production().map(|deployment| deployment.reviewed("approved", "mona", "after the backup").succeeded(RUN + 7));
    let mut given = shop(dev(), [database, api, cdn]);
    // The merger's own approval is marked.
    given.rollout.deployments[3].reviews[0].user = "hubot".to_owned();
    insta::assert_snapshot!(shown(&given));
}

#[test]
fn a_failed_job_skips_what_needs_it() {
    let [database, api, cdn] = production();
    let database = database.reviewed("approved", "mona", "").running(RUN + 7).ended(
        RUN + 7,
        End::Failed,
        "job `apply`, step `terraform apply`",
    );
    insta::assert_snapshot!(shown(&shop(dev(), [database, api, cdn])));
}

#[test]
fn a_rejection_with_words() {
    let [database, api, cdn] = production();
    let words = "the canary is red: look at https://status.example.com first";
    let database = database.reviewed("rejected", "mona", words).ended(
        RUN + 7,
        End::Rejected,
        &format!("rejected by mona: {words}"),
    );
    insta::assert_snapshot!(shown(&shop(dev(), [database, api, cdn])));
}

#[test]
fn cancelled_timed_out_and_expired() {
    let reason = "nobody decided within 30 days, so GitHub closed the gate, and a run that old cannot be re-run; to \
                  deploy it, run workflow `apply.yml` by hand with the same inputs";
    let cancelled = "cancelled before any job started: by hand, or replaced in its `concurrency` group by a newer run";
    let mut database = deployment("database", "", "production").ended(RUN + 2, End::Expired, reason);
    for (name, value) in [("component", "database"), ("github_environment", "production")] {
        database.planned.inputs.insert(name.to_owned(), value.to_owned());
    }
    database.planned.inputs.insert("id".to_owned(), deployment_approvals::plan::ID_MARK.to_owned());
    insta::assert_snapshot!(shown(&given(vec![
        deployment("network", "", "staging").ended(RUN, End::Cancelled, cancelled),
        deployment("cluster", "", "staging").running(RUN + 1).ended(RUN + 1, End::TimedOut, "job `apply`"),
        database,
        deployment("api", "", "production").needs(&[2]),
        deployment("queue", "", "staging").succeeded(RUN + 3),
    ])));
}

#[test]
fn after_30_days_nothing_is_said_of_a_rerun() {
    let mut failed = deployment("network", "", "dev").ended(RUN, End::Failed, "job `apply`");
    assert!(given(vec![failed.clone()]).comment().contains("- Re-run the [job that began it]"));
    let Progress::Ended { at: ended, .. } = &mut failed.progress else { panic!("it has ended") };
    *ended = at(30 * 24 * 60);
    let comment = given(vec![failed]).comment();
    assert!(comment.contains("GitHub allows it for 30 days.") && !comment.contains("- Re-run"), "{comment}");
    assert!(comment.contains("  - `apply.yml` on `main` for `network` to\u{a0}`dev`\n"), "{comment}");
}

#[test]
fn a_lost_dispatch() {
    let reason = "no run with its id showed up (the connection was reset after sending); it was not sent again. Look \
                  for a run of `apply.yml`, then re-run this job to try again";
    let [database, api, cdn] = production();
    insta::assert_snapshot!(shown(&shop(dev(), [database.ended(0, End::Lost, reason), api, cdn])));
}

#[test]
fn the_token_may_dispatch_no_more_in_the_midst() {
    let [database, api, cdn] = production();
    let problem = "GitHub refuses `POST …/dispatches` (HTTP 403: Resource not accessible by integration)";
    let remedy = "Add `actions: write` to the job's `permissions:`";
    let refused = Finding::of(Check::Permission, Severity::Error, problem, remedy).about("the token");
    let given = shop(dev(), [database.waiting(RUN + 7, &PEOPLE), api, cdn]);
    insta::assert_snapshot!(Given { watcher: Watcher::Later, findings: vec![refused], ..given }.comment());
}

#[test]
fn a_sweep_that_sees_the_end_links_the_job_that_tries_again() {
    let failed = deployment("network", "", "dev").ended(RUN, End::Failed, "job `apply`");
    let merge = given(vec![failed]);
    assert!(merge.comment().contains("- Re-run the [job that began it](https://github.com/acme/infra/actions/runs/7"));
    let sweep = Given { began: 6_000_000_009, ..merge };
    let job = "- Re-run the [job that began it](https://github.com/acme/infra/actions/runs/6000000009): it tries";
    assert!(sweep.comment().contains(job), "{}", sweep.comment());
}

#[test]
fn one_component_in_two_environments_has_two_sections_in_the_timeline() {
    let all = ["dev", "production"].map(|environment| deployment("dns", "global", environment).succeeded(RUN));
    let summary = given(all.to_vec()).summary();
    for section in ["  section dns<br>global\n", "  section dns<br>global (2)\n"] {
        assert_eq!(summary.matches(section).count(), 1, "{summary}");
    }
}

fn plan(count: usize) -> Given {
    let all = (0..count).map(|index| {
        let environment = ["dev", "production"][index % 2];
        let needs: &[usize] = if index == 3 { &[1] } else { &[] };
        deployment(&format!("component-{index}"), "", environment).needs(needs)
    });
    let mut given = given(all.collect());
    let reviewers = vec![Reviewer::User("mona".to_owned()), Reviewer::Team("platform".to_owned())];
    let rules = Rules { reviewers, wait_minutes: 30, ..Rules::default() };
    given.environments = vec![
        Environment { name: "dev".to_owned(), rules: Some(Rules::default()), ..Environment::default() },
        Environment { name: "production".to_owned(), rules: Some(rules), ..Environment::default() },
    ];
    given
}

#[test]
fn held_because_it_is_large() {
    let problem = "6 are more than `max-deployments: 5` allows, so none is made";
    let remedy = "To release them, add the label `apply-anyway` to the pull request, then re-run the job";
    let finding = Finding::of(Check::MaxDeployments, Severity::Warning, problem, remedy).about("deployments");
    let held = Given { stage: Stage::Held, findings: vec![finding], ..plan(6) };
    insta::assert_snapshot!(shown(&held));
}

#[test]
fn refused_by_the_checks() {
    let missing = Finding::of(
        Check::EnvironmentMissing,
        Severity::Error,
        "does not exist: GitHub would create it unprotected",
        "Create it under Settings → Environments",
    )
    .about("environment `develop`")
    .concerning(["`api`".to_owned()]);
    let pinned = Finding::of(Check::InputMissing, Severity::Error, "lacks the input `stack`", "Set it")
        .at(".github/workflows/apply.yml", Some(7));
    let refused = Given { stage: Stage::Refused, findings: vec![missing, pinned], ..given(Vec::new()) };
    insta::assert_snapshot!(shown(&refused));
}

#[test]
fn a_preview() {
    insta::assert_snapshot!(shown(&Given { stage: Stage::Preview, ..plan(5) }));
}

#[test]
fn merged_together_with_others() {
    let [database, api, cdn] = production();
    let mut given = shop(dev(), [database.running(RUN + 7), api, cdn]);
    given.rollout.subject.together = companions();
    insta::assert_snapshot!(given.comment());
}

fn companions() -> Vec<Companion> {
    let companion = |(number, author, merged_by): (u64, &str, &str)| Companion {
        number,
        author: author.to_owned(),
        merged_by: merged_by.to_owned(),
    };
    [(40, "mona", "hubot"), (41, "lena", "mona")].map(companion).into()
}

#[test]
fn who_wrote_or_merged_one_of_several_is_marked_as_deciding_about_their_own() {
    let decided = |user: &str, together: Vec<Companion>| {
        let one = deployment("vpc", "prod", "production").reviewed("approved", user, "").succeeded(RUN);
        let mut given = given(vec![one]);
        given.rollout.subject.together = together;
        let comment = given.comment();
        let row = comment.lines().find(|line| line.starts_with("| ✅\u{a0}approved")).expect("a decision");
        row.split('|').nth(1).expect("a cell").trim().to_owned()
    };
    let marked = |user: &str, mark: &str| format!("✅\u{a0}approved by\u{a0}`{user}`{mark}");
    for (user, mark) in [
        ("mona", " (wrote #40)"),
        ("lena", " (wrote #41)"),
        ("octocat", " (wrote #42)"),
        ("hubot", " (merged #40 and #42)"),
        ("nobody", ""),
    ] {
        assert_eq!(decided(user, companions()), marked(user, mark));
    }
    for (user, mark) in [("octocat", " (wrote the pull request)"), ("hubot", " (merged it)"), ("mona", "")] {
        assert_eq!(decided(user, Vec::new()), marked(user, mark));
    }
}

#[test]
fn nobody_watches_any_more() {
    let [database, api, cdn] = production();
    let given = shop(dev(), [database.waiting(RUN + 7, &PEOPLE), api, cdn]);
    insta::assert_snapshot!(shown(&Given { watcher: Watcher::Nobody("the job was cancelled".to_owned()), ..given }));
}

#[test]
fn nothing_to_deploy() {
    insta::assert_snapshot!(shown(&given(Vec::new())));
}

/// A rollout in which everything happens at once.
pub fn many(count: u64) -> Given {
    let all = (0..count).map(|index| {
        let stack = format!("plat-{}-{index}", ["use1", "euw1", "apse2"][index as usize % 3]);
        let environment = ["dev", "staging", "production"][index as usize % 3];
        let one = deployment(["network", "cluster", "database", "api"][index as usize % 4], &stack, environment);
        let run = RUN + 7 * index;
        match index % 10 {
            0 => one.running(run),
            1 | 2 => one.waiting(run, &PEOPLE),
            3 => one.ended(run, End::Failed, "job `apply`, step `terraform apply`"),
            4 if index > 0 => one.needs(&[index as usize - 2]),
            5 if index > 4 => one.needs(&[index as usize - 2]),
            _ => one.reviewed("approved", "mona", "looks good to me").succeeded(run),
        }
    });
    given(all.collect())
}

#[test]
fn fifty_deployments() {
    insta::assert_snapshot!(many(50).comment());
}

#[test]
fn a_thousand_deployments() {
    let given = many(1000);
    let body = given.body();
    assert!(body.len() <= 65_536, "{} bytes", body.len());
    let comment = given.comment();
    let head: Vec<&str> = comment.lines().take(40).collect();
    insta::assert_snapshot!(head.join("\n"));
    let summary = given.summary();
    assert!(summary.len() < 1_048_576, "{} bytes", summary.len());
    // The summary leaves none out.
    let shown = |name: &str| summary.contains(&format!("`{name}`"));
    assert!((0..1000).all(|index| shown(&format!("plat-{}-{index}", ["use1", "euw1", "apse2"][index % 3]))));
}

#[test]
fn the_comment_is_the_same_while_nothing_changes() {
    let given = many(8);
    assert_eq!(given.comment(), given.comment());
    assert!(!given.comment().contains(&at(300).format("%H:%M").to_string()), "it must not show the present");
}
