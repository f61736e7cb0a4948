//! Pull requests, which are issues too.

use serde_json::{Value, json};

use crate::api::repository::extend;
use crate::clock::stamp;
use crate::pulls::{ChangedFile, PullRequest};
use crate::routes::Call;
use crate::wire::{Answer, digest, percent_encode};
use crate::world::World;

/// GitHub lists no more of a pull request's files.
const MOST_FILES: usize = 3_000;

pub(crate) fn get(world: &mut World, call: &Call<'_>) -> Answer {
    match world.pulls.get(&call.number(0)) {
        Some(pull) => Answer::json(200, &world.pull_json(pull)),
        None => Answer::error(404, "Not Found", "/pulls/pulls#get-a-pull-request"),
    }
}

pub(crate) fn files(world: &mut World, call: &Call<'_>) -> Answer {
    let Some(pull) = world.pulls.get(&call.number(0)) else {
        return Answer::not_found();
    };
    let show = |file: &ChangedFile| {
        let path: Vec<String> = file.path.split('/').map(percent_encode).collect();
        let path = path.join("/");
        let mut entry = json!({
            "sha": digest(&file.path), "filename": file.path, "status": file.status,
            "additions": 1, "deletions": 1, "changes": 2,
            "blob_url": format!("{}/blob/{}/{}", world.repo_html(), pull.head_sha, path),
            "raw_url": format!("{}/raw/{}/{}", world.repo_html(), pull.head_sha, path),
            "contents_url": format!("{}/contents/{}?ref={}", world.repo_api(), path, pull.head_sha),
            "patch": "@@ -1 +1 @@\n-old\n+new",
        });
        if let Some(previous) = &file.previous {
            entry["previous_filename"] = json!(previous);
        }
        entry
    };
    call.listed(world, pull.files.iter().take(MOST_FILES).collect(), show)
}

pub(crate) fn of_commit(world: &mut World, call: &Call<'_>) -> Answer {
    let Some((sha, _)) = world.resolve(call.value(0)) else {
        let message = format!("No commit found for SHA: {}", call.value(0));
        return Answer::error(422, &message, "/commits/commits#list-pull-requests-associated-with-a-commit");
    };
    let now = world.now();
    let linked = |p: &&PullRequest| p.linked_from <= now && (p.head_sha == sha || p.carries(&sha));
    let pulls = world.pulls.values().filter(linked).collect();
    call.listed(world, pulls, |pull| world.simple_pull(pull))
}

pub(crate) fn issue(world: &mut World, call: &Call<'_>) -> Answer {
    let Some(pull) = world.pulls.get(&call.number(0)) else {
        return Answer::not_found();
    };
    let url = format!("{}/issues/{}", world.repo_api(), pull.number);
    let html = format!("{}/pull/{}", world.repo_html(), pull.number);
    let closed = pull.closed.map(stamp);
    let body = json!({
        "id": 3_000_000_000_u64 + pull.number, "node_id": format!("PR_{}", pull.number), "url": url,
        "repository_url": world.repo_api(), "labels_url": format!("{url}/labels{{/name}}"),
        "comments_url": format!("{url}/comments"), "events_url": format!("{url}/events"), "html_url": html,
        "number": pull.number, "state": pull.state(), "title": pull.title, "user": world.user_json(&pull.author),
        "labels": world.label_list(pull), "assignee": null, "assignees": [], "milestone": null, "locked": false,
        "comments": world.comments_on(pull.number).len(), "closed_at": closed, "body": "",
        "created_at": stamp(pull.created), "updated_at": stamp(pull.updated()),
        "author_association": "MEMBER", "draft": false,
        "pull_request": {
            "url": format!("{}/pulls/{}", world.repo_api(), pull.number), "html_url": html,
            "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
            "merged_at": pull.merged.as_ref().map(|m| stamp(m.at)),
        },
    });
    Answer::json(200, &body)
}

pub(crate) fn labels(world: &mut World, call: &Call<'_>) -> Answer {
    let Some(pull) = world.pulls.get(&call.number(0)) else {
        return Answer::not_found();
    };
    call.listed(world, world.label_list(pull), |label| label)
}

impl PullRequest {
    fn carries(&self, sha: &str) -> bool {
        self.merged.as_ref().is_some_and(|m| m.sha == sha) || self.also_in.iter().any(|s| s == sha)
    }

    fn state(&self) -> &'static str {
        if self.closed.is_some() { "closed" } else { "open" }
    }

    fn updated(&self) -> i64 {
        self.closed.unwrap_or(self.created)
    }
}

impl World {
    fn label_list(&self, pull: &PullRequest) -> Vec<Value> {
        let label = |name: &String| {
            let slug = name.replace(' ', "%20");
            json!({
                "id": 4_000_000_000_u64 + name.len() as u64, "node_id": format!("LA_{slug}"), "name": name,
                "url": format!("{}/labels/{slug}", self.repo_api()), "description": "", "color": "ededed",
                "default": false,
            })
        };
        pull.labels.iter().map(label).collect()
    }

    /// `pull-request-simple`.
    fn simple_pull(&self, pull: &PullRequest) -> Value {
        let (api, html) = (self.repo_api(), format!("{}/pull/{}", self.repo_html(), pull.number));
        let url = format!("{api}/pulls/{}", pull.number);
        let issue = format!("{api}/issues/{}", pull.number);
        let merge_sha = pull.merged.as_ref().map(|m| m.sha.clone());
        let mut body = json!({
            "url": url, "id": 2_000_000_000_u64 + pull.number, "node_id": format!("PR_{}", pull.number),
            "html_url": html, "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
            "issue_url": issue, "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"), "comments_url": format!("{issue}/comments"),
            "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
            "statuses_url": format!("{api}/statuses/{}", pull.head_sha),
            "number": pull.number, "state": pull.state(), "locked": false, "title": pull.title,
            "user": self.user_json(&pull.author), "body": "", "labels": self.label_list(pull),
            "milestone": null, "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [],
            "created_at": stamp(pull.created), "updated_at": stamp(pull.updated()),
            "closed_at": pull.closed.map(stamp), "merged_at": pull.merged.as_ref().map(|m| stamp(m.at)),
            "merge_commit_sha": merge_sha.or(pull.test_merge()), "draft": false,
            "author_association": "MEMBER", "auto_merge": null,
            "head": self.side(pull, &pull.head_ref, &pull.head_sha, pull.from_fork),
            "base": self.side(pull, &pull.base_ref, &pull.base_sha, false),
        });
        let link = |href: String| json!({"href": href});
        body["_links"] = json!({
            "self": link(url.clone()), "html": link(html), "issue": link(issue.clone()),
            "comments": link(format!("{issue}/comments")), "review_comments": link(format!("{url}/comments")),
            "review_comment": link(format!("{api}/pulls/comments{{/number}}")),
            "commits": link(format!("{url}/commits")), "statuses": link(format!("{api}/statuses/{}", pull.head_sha)),
        });
        body
    }

    /// `pull-request`.
    pub(crate) fn pull_json(&self, pull: &PullRequest) -> Value {
        let mut body = self.simple_pull(pull);
        let merger = pull.merged.as_ref().map(|m| self.user_json(&m.by));
        let mergeable = pull.closed.is_none().then_some(!pull.conflicts);
        let state = mergeable.map_or("unknown", |clean| if clean { "clean" } else { "dirty" });
        extend(
            &mut body,
            &json!({
                "merged": pull.merged.is_some(), "merged_by": merger, "mergeable": mergeable, "rebaseable": mergeable,
                "mergeable_state": state, "comments": self.comments_on(pull.number).len(),
                "review_comments": 0, "maintainer_can_modify": false, "commits": 1,
                "additions": pull.files.len(), "deletions": pull.files.len(), "changed_files": pull.files.len(),
            }),
        );
        body
    }

    /// The head or the base of a pull request.
    fn side(&self, pull: &PullRequest, name: &str, sha: &str, fork: bool) -> Value {
        let owner = if fork { &pull.author.login } else { &self.owner };
        let mut repository = self.repository_json();
        if fork {
            repository["fork"] = true.into();
            repository["id"] = (self.repository.id + 1).into();
            repository["full_name"] = format!("{owner}/{}", self.repository.name).into();
            repository["owner"] = self.user_json(&pull.author);
        }
        let user = repository["owner"].clone();
        json!({"label": format!("{owner}:{name}"), "ref": name, "sha": sha, "user": user, "repo": repository})
    }
}
