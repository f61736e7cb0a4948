//! Every endpoint served: its place in GitHub's OpenAPI description, the permission it needs, who serves it.

use serde_json::{Value, json};

use crate::api::{comments, contents, environments, graphql, pulls, runs, workflows};
use crate::clock::Millis;
use crate::wire::{Answer, Request, percent_decode, percent_encode};
use crate::world::World;

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Route {
    pub method: &'static str,
    pub template: &'static str,
    /// As in `X-Accepted-GitHub-Permissions`: alternatives apart by `;`.
    pub needs: &'static str,
    /// Where its errors point to.
    pub documentation: &'static str,
    pub serve: fn(&mut World, &Call<'_>) -> Answer,
}

/// A request to an endpoint, with the values of its path after owner and repository.
pub(crate) struct Call<'a> {
    pub request: &'a Request,
    pub values: &'a [String],
    /// For how long a run made by this call is out of sight.
    pub hidden: Millis,
    /// A page after the first repeats the one before it.
    pub repeats: bool,
}

macro_rules! routes {
    ($($method:literal $template:literal $needs:literal $documentation:literal $serve:path;)*) => {
        pub(crate) static ROUTES: &[Route] = &[$(Route {
            method: $method, template: $template, needs: $needs, documentation: $documentation, serve: $serve,
        }),*];
    };
}

routes! {
    "GET" "/rate_limit" "" "/rate-limit/rate-limit" rate_limit;
    "GET" "/meta" "" "/meta/meta#get-apiname-meta-information" meta;
    "POST" "/graphql" "" "" graphql::query;
    "GET" "/repos/{owner}/{repo}" "metadata=read" "/repos/repos#get-a-repository" contents::repository;
    "GET" "/repos/{owner}/{repo}/pulls/{pull_number}" "pull_requests=read" "/pulls/pulls#get-a-pull-request" pulls::get;
    "GET" "/repos/{owner}/{repo}/pulls/{pull_number}/files" "pull_requests=read" "/pulls/pulls#list-pull-requests-files" pulls::files;
    "GET" "/repos/{owner}/{repo}/commits/{commit_sha}/pulls" "pull_requests=read" "/commits/commits#list-pull-requests-associated-with-a-commit" pulls::of_commit;
    "GET" "/repos/{owner}/{repo}/branches" "contents=read" "/branches/branches#list-branches" contents::branches;
    "GET" "/repos/{owner}/{repo}/commits/{ref}" "contents=read" "/commits/commits#get-a-commit" contents::commit;
    "GET" "/repos/{owner}/{repo}/contents/{path}" "contents=read" "/repos/contents#get-repository-content" contents::get;
    "GET" "/repos/{owner}/{repo}/git/trees/{tree_sha}" "contents=read" "/git/trees#get-a-tree" contents::tree;
    "GET" "/repos/{owner}/{repo}/issues/comments" "issues=read; pull_requests=read" "/issues/comments#list-issue-comments-for-a-repository" comments::all;
    "GET" "/repos/{owner}/{repo}/issues/comments/{comment_id}" "issues=read; pull_requests=read" "/issues/comments#get-an-issue-comment" comments::get;
    "PATCH" "/repos/{owner}/{repo}/issues/comments/{comment_id}" "issues=write; pull_requests=write" "/issues/comments#update-an-issue-comment" comments::edit;
    "DELETE" "/repos/{owner}/{repo}/issues/comments/{comment_id}" "issues=write; pull_requests=write" "/issues/comments#delete-an-issue-comment" comments::delete;
    "GET" "/repos/{owner}/{repo}/issues/{issue_number}" "issues=read; pull_requests=read" "/issues/issues#get-an-issue" pulls::issue;
    "GET" "/repos/{owner}/{repo}/issues/{issue_number}/labels" "issues=read; pull_requests=read" "/issues/labels#list-labels-for-an-issue" pulls::labels;
    "GET" "/repos/{owner}/{repo}/issues/{issue_number}/comments" "issues=read; pull_requests=read" "/issues/comments#list-issue-comments" comments::list;
    "POST" "/repos/{owner}/{repo}/issues/{issue_number}/comments" "issues=write; pull_requests=write" "/issues/comments#create-an-issue-comment" comments::create;
    "GET" "/repos/{owner}/{repo}/environments" "actions=read" "/deployments/environments#list-environments" environments::list;
    "GET" "/repos/{owner}/{repo}/environments/{environment_name}" "actions=read" "/deployments/environments#get-an-environment" environments::get;
    "GET" "/repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies" "actions=read" "/deployments/branch-policies#list-deployment-branch-policies" environments::branch_policies;
    "GET" "/repos/{owner}/{repo}/environments/{environment_name}/deployment_protection_rules" "actions=read" "/deployments/protection-rules#get-all-deployment-protection-rules-for-an-environment" environments::custom_rules;
    "GET" "/repos/{owner}/{repo}/actions/workflows" "actions=read" "/actions/workflows#list-repository-workflows" workflows::list;
    "GET" "/repos/{owner}/{repo}/actions/workflows/{workflow_id}" "actions=read" "/actions/workflows#get-a-workflow" workflows::get;
    "POST" "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches" "actions=write" "/actions/workflows#create-a-workflow-dispatch-event" workflows::dispatch;
    "GET" "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs" "actions=read" "/actions/workflow-runs#list-workflow-runs-for-a-workflow" runs::of_workflow;
    "GET" "/repos/{owner}/{repo}/actions/runs" "actions=read" "/actions/workflow-runs#list-workflow-runs-for-a-repository" runs::list;
    "GET" "/repos/{owner}/{repo}/actions/runs/{run_id}" "actions=read" "/actions/workflow-runs#get-a-workflow-run" runs::get;
    "DELETE" "/repos/{owner}/{repo}/actions/runs/{run_id}" "actions=write" "/actions/workflow-runs#delete-a-workflow-run" runs::delete;
    "GET" "/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}" "actions=read" "/actions/workflow-runs#get-a-workflow-run-attempt" runs::attempt;
    "GET" "/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs" "actions=read" "/actions/workflow-jobs#list-jobs-for-a-workflow-run-attempt" runs::attempt_jobs;
    "GET" "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs" "actions=read" "/actions/workflow-jobs#list-jobs-for-a-workflow-run" runs::jobs;
    "GET" "/repos/{owner}/{repo}/actions/runs/{run_id}/approvals" "actions=read" "/actions/workflow-runs#get-the-review-history-for-a-workflow-run" runs::approvals;
    "GET" "/repos/{owner}/{repo}/actions/runs/{run_id}/pending_deployments" "actions=read" "/actions/workflow-runs#get-pending-deployments-for-a-workflow-run" runs::pending;
    "POST" "/repos/{owner}/{repo}/actions/runs/{run_id}/pending_deployments" "actions=write" "/actions/workflow-runs#review-pending-deployments-for-a-workflow-run" violation;
    "POST" "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule" "actions=write" "/actions/workflow-runs#review-custom-deployment-protection-rules-for-a-workflow-run" violation;
    "POST" "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel" "actions=write" "/actions/workflow-runs#cancel-a-workflow-run" runs::cancel;
    "POST" "/repos/{owner}/{repo}/actions/runs/{run_id}/force-cancel" "actions=write" "/actions/workflow-runs#force-cancel-a-workflow-run" runs::force_cancel;
}

/// The endpoint for a path, with the values in it (owner and repository first).
pub(crate) fn route(method: &str, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let here = ROUTES.iter().filter(|route| route.method == method);
    here.filter_map(|route| Some((route, values(route.template, path)?))).next()
}

fn values(template: &str, path: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = path.trim_matches('/').split('/').peekable();
    let mut wanted = template.trim_matches('/').split('/').peekable();
    while let Some(part) = wanted.next() {
        let spans = wanted.peek().is_none() && (part == "{path}" || part == "{ref}");
        if part == "{path}" && rest.peek().is_none() {
            // The repository's own folder.
            values.push(String::new());
            break;
        }
        let segment = rest.next()?;
        if spans {
            let all: Vec<&str> = std::iter::once(segment).chain(rest.by_ref()).collect();
            values.push(percent_decode(&all.join("/")));
        } else if part.starts_with('{') {
            values.push(percent_decode(segment));
        } else if part != segment {
            return None;
        }
    }
    rest.peek().is_none().then_some(values)
}

impl Call<'_> {
    pub fn value(&self, n: usize) -> &str {
        self.values.get(n).map_or("", String::as_str)
    }

    pub fn number(&self, n: usize) -> u64 {
        self.value(n).parse().unwrap_or(0)
    }

    /// One page of a list, as `{total_count, <key>: […]}`.
    pub fn counted<T>(&self, world: &World, key: &str, items: Vec<T>, show: impl Fn(T) -> Value) -> Answer {
        let total = items.len();
        let (page, link) = self.page(world, items, show);
        linked(Answer::json(200, &json!({"total_count": total, key: page})), link)
    }

    /// One page of a plain list.
    pub fn listed<T>(&self, world: &World, items: Vec<T>, show: impl Fn(T) -> Value) -> Answer {
        let (page, link) = self.page(world, items, show);
        linked(Answer::json(200, &Value::Array(page)), link)
    }

    /// Only what is on the page is put into words.
    fn page<T>(&self, world: &World, items: Vec<T>, show: impl Fn(T) -> Value) -> (Vec<Value>, Option<String>) {
        let asked = |name, default| self.request.param(name).and_then(|v| v.parse().ok()).unwrap_or(default);
        let size: usize = asked("per_page", 30).clamp(1, 100);
        let page: usize = asked("page", 1).max(1);
        let last = items.len().div_ceil(size).max(1);
        let shown = if self.repeats && page > 1 { page - 1 } else { page };
        let items = items.into_iter().skip((shown - 1) * size).take(size).map(show).collect();
        (items, self.links(world, page, last))
    }

    /// GitHub's links name the repository by its id.
    /// <https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api>
    fn links(&self, world: &World, page: usize, last: usize) -> Option<String> {
        let path = self.request.path.split('/').skip(4).collect::<Vec<_>>().join("/");
        let base = format!("{}/repositories/{}/{path}", world.api_url, world.repository.id);
        let link = |page: usize, name: &str| {
            let mut query = self.request.query.clone();
            query.insert("page".to_owned(), page.to_string());
            let pairs = query.iter().map(|(k, v)| format!("{k}={}", percent_encode(v)));
            format!("<{base}?{}>; rel=\"{name}\"", pairs.collect::<Vec<_>>().join("&"))
        };
        let before = [(page > 1).then(|| link(page - 1, "prev")), (page < last).then(|| link(page + 1, "next"))];
        let after = [(page < last).then(|| link(last, "last")), (page > 1).then(|| link(1, "first"))];
        let links: Vec<String> = before.into_iter().chain(after).flatten().collect();
        (!links.is_empty()).then(|| links.join(", "))
    }
}

fn linked(answer: Answer, link: Option<String>) -> Answer {
    match link {
        Some(link) => answer.with("link", link),
        None => answer,
    }
}

fn rate_limit(world: &mut World, _: &Call<'_>) -> Answer {
    Answer::json(200, &world.limits.overview())
}

/// Enterprise Server alone tells its version. <https://docs.github.com/en/enterprise-server/rest/meta/meta>
fn meta(world: &mut World, _: &Call<'_>) -> Answer {
    let mut body = json!({"verifiable_password_authentication": true});
    if world.enterprise {
        body["installed_version"] = world.installed_version().into();
    }
    Answer::json(200, &body)
}

/// The action has no business to approve anything: nothing is done, and it is held against it.
fn violation(world: &mut World, call: &Call<'_>) -> Answer {
    let Request { method, path, .. } = call.request;
    world.violations.push(format!("a review by the action itself: {method} {path}"));
    Answer::error(403, "Resource not accessible by integration", "")
}
