//! The repository, its commits and its files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::routes::Call;
use crate::wire::{Answer, digest, percent_encode};
use crate::world::World;

/// What is larger is told without its content.
/// <https://docs.github.com/en/rest/repos/contents#get-repository-content>
const LARGEST_INSIDE: usize = 1024 * 1024;

pub(crate) fn repository(world: &mut World, _: &Call<'_>) -> Answer {
    Answer::json(200, &world.full_repository())
}

pub(crate) fn commit(world: &mut World, call: &Call<'_>) -> Answer {
    let name = call.value(0);
    let Some((sha, _)) = world.resolve(name) else {
        let documentation = "/commits/commits#get-a-commit";
        return Answer::error(422, &format!("No commit found for SHA: {name}"), documentation);
    };
    if accepts(call, "sha") {
        return Answer::text(200, "application/vnd.github.sha; charset=utf-8", sha);
    }
    let url = format!("{}/commits/{sha}", world.repo_api());
    let tree = digest(&format!("tree of {sha}"));
    let author = world.merged_by(&sha);
    let by = json!({"name": author.login, "email": "noreply@github.com", "date": "2026-03-02T09:00:00Z"});
    let body = json!({
        "url": url, "sha": sha, "node_id": format!("C_{}", &sha[..12]),
        "html_url": format!("{}/commit/{sha}", world.repo_html()), "comments_url": format!("{url}/comments"),
        "commit": {
            "url": format!("{}/git/commits/{sha}", world.repo_api()), "author": by, "committer": by,
            "message": world.message(&sha), "comment_count": 0,
            "tree": {"sha": tree, "url": format!("{}/git/trees/{tree}", world.repo_api())},
            "verification": {"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null},
        },
        "author": world.user_json(&author), "committer": world.user_json(&author), "parents": [],
        "stats": {"total": 0, "additions": 0, "deletions": 0}, "files": [],
    });
    Answer::json(200, &body)
}

pub(crate) fn get(world: &mut World, call: &Call<'_>) -> Answer {
    let path = call.value(0).trim_matches('/');
    let reference = call.request.param("ref").unwrap_or(&world.repository.default_branch).to_owned();
    let Some((_, files)) = world.resolve(&reference) else {
        let message = format!("No commit found for the ref {reference}");
        return Answer::error(404, &message, "/repos/contents#get-repository-content");
    };
    if let Some(text) = files.get(path) {
        if accepts(call, "raw") {
            return Answer::text(200, "application/vnd.github.raw+json; charset=utf-8", text.clone());
        }
        return Answer::json(200, &world.file_json(path, text, &reference));
    }
    let below = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut names: Vec<&str> = files.keys().filter_map(|p| p.strip_prefix(below.as_str())).collect();
    names.retain(|name| !name.is_empty());
    if names.is_empty() {
        return Answer::error(404, "Not Found", "/repos/contents#get-repository-content");
    }
    let entries = names.iter().map(|name| name.split_once('/').map_or((*name, true), |(dir, _)| (dir, false)));
    let mut entries: Vec<(&str, bool)> = entries.collect();
    entries.dedup();
    let list = entries.iter().map(|(name, is_file)| {
        let kind = if *is_file { "file" } else { "dir" };
        world.entry_json(&format!("{below}{name}"), kind, "", &reference)
    });
    Answer::json(200, &Value::Array(list.collect()))
}

/// In this world the default branch alone is protected.
pub(crate) fn branches(world: &mut World, call: &Call<'_>) -> Answer {
    let default = &world.repository.default_branch;
    let wanted = |name: &String| match call.request.param("protected") {
        Some("true") => name == default,
        Some("false") => name != default,
        _ => true,
    };
    let all = world.branches.iter().filter(|(name, _)| wanted(name)).collect();
    call.listed(world, all, |(name, branch)| {
        let commit = json!({"sha": branch.sha, "url": format!("{}/commits/{}", world.repo_api(), branch.sha)});
        json!({"name": name, "commit": commit, "protected": name == default})
    })
}

pub(crate) fn tree(world: &mut World, call: &Call<'_>) -> Answer {
    let Some((sha, files)) = world.resolve(call.value(0)) else {
        return Answer::not_found();
    };
    let api = world.repo_api();
    let entry = |(path, text): (&String, &String)| {
        let sha = digest(text);
        json!({
            "path": path, "mode": "100644", "type": "blob", "sha": sha, "size": text.len(),
            "url": format!("{api}/git/blobs/{sha}"),
        })
    };
    let deep = call.request.query.contains_key("recursive");
    let files = files.iter().filter(|(path, _)| deep || !path.contains('/'));
    let tree: Vec<Value> = files.map(entry).collect();
    Answer::json(200, &json!({"sha": sha, "url": format!("{api}/git/trees/{sha}"), "tree": tree, "truncated": false}))
}

fn accepts(call: &Call<'_>, kind: &str) -> bool {
    let accept = call.request.header("accept").unwrap_or_default();
    accept.contains(&format!("application/vnd.github.{kind}"))
        || accept.contains(&format!("application/vnd.github.v3.{kind}"))
}

impl World {
    fn entry_json(&self, path: &str, kind: &str, text: &str, reference: &str) -> Value {
        let sha = digest(text);
        let encoded: Vec<String> = path.split('/').map(percent_encode).collect();
        let encoded = encoded.join("/");
        let (api, html) = (self.repo_api(), self.repo_html());
        let url = format!("{api}/contents/{encoded}?ref={reference}");
        let git = format!("{api}/git/blobs/{sha}");
        let page = format!("{html}/blob/{reference}/{encoded}");
        json!({
            "type": kind, "size": text.len(), "name": path.rsplit('/').next(), "path": path, "sha": sha,
            "url": url, "git_url": git, "html_url": page, "download_url": format!("{html}/raw/{reference}/{encoded}"),
            "_links": {"self": url, "git": git, "html": page},
        })
    }

    fn file_json(&self, path: &str, text: &str, reference: &str) -> Value {
        let mut file = self.entry_json(path, "file", text, reference);
        if text.len() > LARGEST_INSIDE {
            file["encoding"] = "none".into();
            file["content"] = "".into();
            return file;
        }
        let encoded = STANDARD.encode(text);
        let lines = encoded.as_bytes().chunks(60).map(|c| format!("{}\n", String::from_utf8_lossy(c)));
        file["encoding"] = "base64".into();
        file["content"] = lines.collect::<String>().into();
        file
    }

    fn merged_by(&self, sha: &str) -> crate::people::User {
        let merge = self.pulls.values().filter_map(|p| p.merged.as_ref()).find(|m| m.sha == sha);
        merge.map_or_else(|| self.user("octocat"), |m| m.by.clone())
    }

    pub(crate) fn message(&self, sha: &str) -> String {
        let merged = |p: &&crate::pulls::PullRequest| p.merged.as_ref().is_some_and(|m| m.sha == sha);
        let pull = self.pulls.values().find(merged);
        pull.map_or_else(|| "Begin".to_owned(), |p| format!("{} (#{})", p.title, p.number))
    }
}
