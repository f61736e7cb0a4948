//! What every request meets: token, permission, limits, ETags, pages, faults; and the quiet endpoints.

mod stage;

use std::time::Duration;

use serde_json::{Value, json};
use simulated_github::{BranchPolicy, Environment, World};
use stage::{DISPATCH, dispatch, get, request, send, settle, world};

const RUNS: &str = "/repos/acme/infra/actions/runs";
const COMMENTS: &str = "/repos/acme/infra/issues/7/comments";

#[test]
fn an_unknown_token_is_refused_and_an_expired_one_too() {
    let mut world = world();
    assert_eq!(get(&mut world, RUNS).status, 200);
    world.expire_tokens();
    let answer = get(&mut world, RUNS);
    assert_eq!((answer.status, &answer.value()["message"]), (401, &json!("Bad credentials")));
}

#[test]
fn a_missing_permission_is_named() {
    let mut world = world();
    world.permissions.insert("actions".to_owned(), "read".to_owned());
    let answer = send(&mut world, "POST", DISPATCH, &json!({"ref": "main"}));
    assert_eq!((answer.status, &answer.value()["message"]), (403, &json!("Resource not accessible by integration")));
    assert_eq!(answer.headers["x-accepted-github-permissions"], "actions=write");
    assert_eq!(get(&mut world, RUNS).status, 200);
    world.permissions.remove("pull-requests");
    assert_eq!(get(&mut world, "/repos/acme/infra/pulls/7").status, 403);
    world.permissions.insert("issues".to_owned(), "write".to_owned());
    assert_eq!(send(&mut world, "POST", COMMENTS, &json!({"body": "hello"})).status, 201);
}

#[test]
fn what_has_not_changed_is_free() {
    let mut world = world();
    let first = get(&mut world, RUNS);
    let etag = first.headers["etag"].clone();
    assert_eq!((etag.starts_with("W/\""), first.headers["x-ratelimit-used"].as_str()), (true, "1"));
    let again = |world: &mut World| {
        let mut again = request("GET", RUNS);
        again.headers.insert("if-none-match".to_owned(), etag.clone());
        world.ask(again).unwrap()
    };
    let same = again(&mut world);
    assert_eq!((same.status, same.body.as_str(), same.headers["x-ratelimit-used"].as_str()), (304, "", "1"));
    assert_eq!(same.headers["etag"], etag);
    dispatch(&mut world, "vpc", "staging");
    assert_eq!((again(&mut world).status, world.limits.used), (200, 3));
    let counts = world.limits.request_counts();
    let runs = counts[&("GET".to_owned(), "/repos/{owner}/{repo}/actions/runs".to_owned())];
    assert_eq!((runs.counted, runs.free), (2, 1));
}

#[test]
fn a_budget_that_is_used_up_comes_back_with_the_next_window() {
    let mut world = world();
    world.limits.leave(1);
    assert_eq!(get(&mut world, RUNS).headers["x-ratelimit-remaining"], "0");
    let refused = get(&mut world, RUNS);
    assert_eq!((refused.status, refused.headers["x-ratelimit-remaining"].as_str()), (403, "0"));
    assert!(refused.body.contains("API rate limit exceeded"));
    assert_eq!(get(&mut world, "/rate_limit").value()["resources"]["core"]["remaining"], 0);
    world.pass(Duration::from_secs(3_601));
    assert_eq!(get(&mut world, RUNS).status, 200);
}

#[test]
fn long_lists_come_in_pages_linked_by_the_repository_s_id() {
    let mut world = world();
    for n in 0..5 {
        world.comment(7, "mona", &format!("comment {n}"));
    }
    let page = get(&mut world, &format!("{COMMENTS}?per_page=2&page=2"));
    assert_eq!(page.value()[0]["body"], "comment 2");
    let link = &page.headers["link"];
    let next = "<https://api.github.com/repositories/1296269/issues/7/comments?page=3&per_page=2>; rel=\"next\"";
    assert!(link.contains(next), "{link}");
    assert!(link.contains("rel=\"prev\"") && link.contains("rel=\"last\"") && link.contains("rel=\"first\""));
    let last = get(&mut world, "/repositories/1296269/issues/7/comments?page=3&per_page=2");
    assert_eq!(last.value()[0]["body"], "comment 4");
    assert!(last.headers["link"].contains("/1296269/issues/7/comments?page=2"));
    assert!(!last.headers["link"].contains("rel=\"next\""));
}

#[test]
fn runs_are_filtered_as_github_filters_them() {
    let mut world = world();
    let old = dispatch(&mut world, "vpc", "staging");
    world.pass(Duration::from_secs(3_600));
    let new = dispatch(&mut world, "vpc", "production");
    settle(&mut world);
    let mut ids = |query: &str| -> Vec<u64> {
        let list = get(&mut world, &format!("{RUNS}?{query}")).value();
        let runs = list["workflow_runs"].as_array().cloned().unwrap_or_default();
        runs.iter().filter_map(|run| run["id"].as_u64()).collect()
    };
    assert_eq!(ids(""), [new, old]);
    assert_eq!(ids("status=waiting"), [new]);
    assert_eq!(ids("status=success"), [old]);
    assert_eq!(ids("created=>2026-03-02T09:30:00Z"), [new]);
    assert_eq!(ids("created=>=2026-03-02T09:00:00Z"), [new, old]);
    assert_eq!(ids("created=2026-03-02T08:00:00Z..2026-03-02T09:30:00Z"), [old]);
    assert_eq!(ids("created=2026-03-02"), [new, old]);
    assert_eq!(ids("event=push"), Vec::<u64>::new());
    assert_eq!(ids("branch=main&actor=github-actions[bot]"), [new, old]);
}

#[test]
fn comments_are_remembered_version_by_version() {
    let mut world = world();
    let made = send(&mut world, "POST", COMMENTS, &json!({"body": "one"})).value();
    let path = format!("/repos/acme/infra/issues/comments/{}", made["id"]);
    world.clock.jump(Duration::from_secs(5));
    let edited = send(&mut world, "PATCH", &path, &json!({"body": "two"})).value();
    assert_eq!((&edited["body"], &edited["updated_at"]), (&json!("two"), &json!("2026-03-02T09:00:05Z")));
    assert_eq!(get(&mut world, &path).value()["user"]["login"], "github-actions[bot]");
    assert_eq!(world.sticky(7).map(|c| c.body.as_str()), Some("two"));
    let all = get(&mut world, "/repos/acme/infra/issues/comments?sort=updated&direction=desc").value();
    assert_eq!(all[0]["body"], "two");
    assert_eq!(send(&mut world, "DELETE", &path, &Value::Null).status, 204);
    assert_eq!(get(&mut world, &path).status, 404);
    let bodies: Vec<&str> = world.comment_history().iter().map(|c| c.body.as_str()).collect();
    assert_eq!(bodies, ["one", "two", "two"]);
    let long = send(&mut world, "POST", COMMENTS, &json!({"body": "x".repeat(65_537)}));
    assert!(long.status == 422 && long.body.contains("Body is too long (maximum is 65536 characters)"));
}

#[test]
fn a_review_by_the_action_or_an_unserved_endpoint_is_held_against_it() {
    let mut world = world();
    world.off_the_record();
    let id = dispatch(&mut world, "vpc", "production");
    settle(&mut world);
    let path = format!("{RUNS}/{id}/pending_deployments");
    let review = json!({"environment_ids": [1], "state": "approved", "comment": ""});
    assert_eq!(send(&mut world, "POST", &path, &review).status, 403);
    assert_eq!(get(&mut world, "/user").status, 404);
    assert_eq!(world.violations.len(), 2, "{:?}", world.violations);
    assert_eq!(stage::state(&world, id), "waiting/-");
}

#[test]
fn the_viewer_is_the_token_s_identity() {
    let mut world = world();
    let query = json!({"query": "query { viewer { login databaseId id } }"});
    let viewer = send(&mut world, "POST", "/graphql", &query).value()["data"]["viewer"].clone();
    assert_eq!((&viewer["login"], &viewer["databaseId"]), (&json!("github-actions[bot]"), &json!(41_898_282)));
    world.off_the_record();
    let wrong = json!({"query": "{ viewer { shoeSize } }"});
    assert!(send(&mut world, "POST", "/graphql", &wrong).body.contains("doesn't exist on type 'User'"));
}

#[test]
fn a_merged_pull_request_is_found_by_number_and_by_commit() {
    let mut world = world();
    let sha = world.pulls[&7].merged.as_ref().unwrap().sha.clone();
    let pull = get(&mut world, "/repos/acme/infra/pulls/7").value();
    assert_eq!((&pull["merged"], &pull["merge_commit_sha"]), (&json!(true), &json!(sha)));
    assert_eq!(pull["merged_by"]["login"], "hubot");
    let of_commit = format!("/repos/acme/infra/commits/{sha}/pulls");
    assert_eq!(get(&mut world, &of_commit).value()[0]["number"], 7);
    world.pulls.get_mut(&7).unwrap().linked_from = world.now() + 1_000;
    assert_eq!(get(&mut world, &of_commit).value(), json!([]));
    let files = get(&mut world, "/repos/acme/infra/pulls/7/files").value();
    assert_eq!((&files[1]["status"], &files[1]["previous_filename"]), (&json!("renamed"), &json!("a.tf")));
    assert_eq!(get(&mut world, "/repos/acme/infra/issues/7/labels").value()[0]["name"], "infra");
    assert_eq!(get(&mut world, "/repos/acme/infra/issues/7").value()["state"], "closed");
    assert_eq!(get(&mut world, "/repos/acme/infra/commits/main").value()["sha"], json!(sha));
    assert_eq!(get(&mut world, "/repos/acme/infra/pulls/8").status, 404);
    assert_eq!(get(&mut world, "/repos/other/infra/pulls/7").status, 404);
}

#[test]
fn files_are_read_at_a_ref_as_json_or_raw() {
    let mut world = world();
    let sha = world.branches["main"].sha.clone();
    world.file(".github/deployments.yml", "version: 2\n");
    let path = "/repos/acme/infra/contents/.github/deployments.yml";
    let mut raw = request("GET", path);
    raw.headers.insert("accept".to_owned(), "application/vnd.github.raw+json".to_owned());
    assert_eq!(world.ask(raw).unwrap().body, "version: 2\n");
    let file = get(&mut world, path).value();
    assert_eq!((&file["encoding"], &file["content"]), (&json!("base64"), &json!("dmVyc2lvbjogMgo=\n")));
    assert_eq!(get(&mut world, &format!("{path}?ref={sha}")).status, 200);
    assert_eq!(get(&mut world, &format!("{path}?ref=nope")).status, 404);
    let names = get(&mut world, "/repos/acme/infra/contents/.github").value();
    assert_eq!((&names[0]["name"], &names[1]["type"]), (&json!("deployments.yml"), &json!("dir")));
    assert_eq!(get(&mut world, "/repos/acme/infra/git/trees/main?recursive=1").value()["truncated"], false);
}

#[test]
fn environments_show_their_rules() {
    let mut world = world();
    let strict = Environment::named("eu/live").reviewed_by(&["octocat"]).waiting(3).only_from(&["main", "release/*"]);
    world.environment(strict.with_custom_rule("gatekeeper"));
    let live = "/repos/acme/infra/environments/eu%2Flive";
    let shown = get(&mut world, live).value();
    let kinds = shown["protection_rules"].as_array().unwrap().iter().map(|rule| rule["type"].clone());
    assert_eq!(kinds.collect::<Vec<_>>(), ["wait_timer", "required_reviewers", "branch_policy"]);
    let policies = get(&mut world, &format!("{live}/deployment-branch-policies")).value();
    assert_eq!((&policies["total_count"], &policies["branch_policies"][1]["name"]), (&json!(2), &json!("release/*")));
    assert_eq!(get(&mut world, &format!("{live}/deployment_protection_rules")).value()["total_count"], 1);
    assert_eq!(get(&mut world, "/repos/acme/infra/environments").value()["total_count"], 3);
    assert_eq!(get(&mut world, "/repos/acme/infra/environments/nowhere").status, 404);
}

#[test]
fn the_quiet_endpoints_answer() {
    let mut world = world();
    world.environments[0].branch_policy = BranchPolicy::Protected;
    let staging = get(&mut world, "/repos/acme/infra/environments/staging").value();
    assert_eq!(staging["deployment_branch_policy"]["protected_branches"], true);
    assert_eq!(get(&mut world, "/repos/acme/infra/actions/workflows").value()["workflows"][0]["name"], "Apply");
    assert_eq!(get(&mut world, "/repos/acme/infra/actions/workflows/apply.yml").value()["state"], "active");
    assert_eq!(get(&mut world, "/repos/acme/infra/actions/workflows/apply.yml/runs").value()["total_count"], 0);
    assert_eq!(get(&mut world, "/repos/acme/infra").value()["default_branch"], "main");
}
