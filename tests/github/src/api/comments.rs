//! Comments on issues and pull requests.

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::clock::{parse, stamp};
use crate::comments::{Comment, LONGEST_BODY};
use crate::routes::Call;
use crate::wire::Answer;
use crate::world::World;

pub(crate) fn list(world: &mut World, call: &Call<'_>) -> Answer {
    if !world.pulls.contains_key(&call.number(0)) {
        return Answer::error(404, "Not Found", "/issues/comments#list-issue-comments");
    }
    let since = since(call);
    let comments = world.comments_on(call.number(0)).into_iter().filter(|c| c.updated >= since);
    call.listed(world, comments.collect(), |c| world.comment_json(c))
}

pub(crate) fn all(world: &mut World, call: &Call<'_>) -> Answer {
    let since = since(call);
    let mut comments: Vec<&Comment> = world.comments.iter().filter(|c| c.updated >= since).collect();
    let by_update = call.request.param("sort") == Some("updated");
    let key = |c: &&Comment| if by_update { c.updated } else { c.created };
    match call.request.param("direction") {
        Some("asc") => comments.sort_by_key(key),
        Some("desc") => comments.sort_by_key(|c| Reverse(key(c))),
        _ if by_update => comments.sort_by_key(|c| Reverse(key(c))),
        _ => comments.sort_by_key(key),
    }
    call.listed(world, comments, |c| world.comment_json(c))
}

pub(crate) fn get(world: &mut World, call: &Call<'_>) -> Answer {
    world.comment_answer(call.number(0), 200)
}

pub(crate) fn create(world: &mut World, call: &Call<'_>) -> Answer {
    let issue = call.number(0);
    if !world.pulls.contains_key(&issue) {
        return Answer::error(404, "Not Found", "/issues/comments#create-an-issue-comment");
    }
    match body(call) {
        Err(refusal) => refusal,
        Ok(text) => {
            let id = world.comment(issue, world.identity.clone(), &text);
            let location = format!("{}/issues/comments/{id}", world.repo_api());
            world.comment_answer(id, 201).with("location", location)
        }
    }
}

pub(crate) fn edit(world: &mut World, call: &Call<'_>) -> Answer {
    match body(call) {
        Err(refusal) => refusal,
        Ok(text) => {
            world.edit_comment(call.number(0), world.identity.clone(), &text);
            world.comment_answer(call.number(0), 200)
        }
    }
}

pub(crate) fn delete(world: &mut World, call: &Call<'_>) -> Answer {
    if world.delete_comment(call.number(0), world.identity.clone()) { Answer::empty(204) } else { Answer::not_found() }
}

fn since(call: &Call<'_>) -> i64 {
    call.request.param("since").and_then(parse).unwrap_or(i64::MIN)
}

/// The text to write, or what GitHub says against it.
fn body(call: &Call<'_>) -> Result<String, Answer> {
    let documentation = "https://docs.github.com/rest/issues/comments";
    let refuse = |message: &str, errors: Value| {
        let body = json!({"message": message, "errors": errors, "documentation_url": documentation, "status": "422"});
        Err(Answer::json(422, &body))
    };
    let sent = call.request.json();
    let Some(text) = sent["body"].as_str() else {
        return refuse("Invalid request.\n\n\"body\" wasn't supplied.", json!([]));
    };
    let error = |code: &str, field: &str, message: &str| json!([{"resource": "IssueComment", "code": code, "field": field, "message": message}]);
    if text.trim().is_empty() {
        return refuse("Validation Failed", error("unprocessable", "data", "Body cannot be blank"));
    }
    if text.chars().count() > LONGEST_BODY {
        let message = format!("Body is too long (maximum is {LONGEST_BODY} characters)");
        return refuse("Validation Failed", error("unprocessable", "data", &message));
    }
    Ok(text.to_owned())
}

impl World {
    fn comment_answer(&self, id: u64, status: u16) -> Answer {
        match self.comments.iter().find(|c| c.id == id) {
            Some(comment) => Answer::json(status, &self.comment_json(comment)),
            None => Answer::error(404, "Not Found", "/issues/comments#get-an-issue-comment"),
        }
    }

    fn comment_json(&self, comment: &Comment) -> Value {
        let url = format!("{}/issues/comments/{}", self.repo_api(), comment.id);
        let place = if self.pulls.contains_key(&comment.issue) { "pull" } else { "issues" };
        let bot = comment.author.kind == "Bot";
        json!({
            "id": comment.id, "node_id": format!("IC_{}", comment.id), "url": url,
            "html_url": format!("{}/{place}/{}#issuecomment-{}", self.repo_html(), comment.issue, comment.id),
            "issue_url": format!("{}/issues/{}", self.repo_api(), comment.issue),
            "body": comment.body, "user": self.user_json(&comment.author),
            "created_at": stamp(comment.created), "updated_at": stamp(comment.updated),
            "author_association": if bot { "NONE" } else { "MEMBER" }, "performed_via_github_app": null,
        })
    }
}
