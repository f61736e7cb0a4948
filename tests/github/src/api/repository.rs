//! The repository in its three sizes.

use serde_json::{Map, Value, json};

use crate::clock::stamp;
use crate::people::User;
use crate::world::World;

/// The endpoints that every repository object names.
const PARTS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

impl World {
    pub(crate) fn user_json(&self, user: &User) -> Value {
        user.json(&self.api_url, &self.server_url)
    }

    fn owner_json(&self) -> Value {
        let mut owner = self.user_json(&User::named(&self.owner));
        owner["type"] = "Organization".into();
        owner
    }

    /// `minimal-repository`, as in a workflow run.
    pub(crate) fn minimal_repository(&self) -> Value {
        let base = self.repo_api();
        let parts = PARTS.iter().map(|(name, path)| ((*name).to_owned(), json!(format!("{base}{path}"))));
        let mut repository: Map<String, Value> = parts.collect();
        let own = json!({
            "id": self.repository.id, "node_id": format!("R_{}", self.repository.id),
            "name": self.repository.name, "full_name": self.full_name(), "owner": self.owner_json(),
            "private": self.repository.private, "html_url": self.repo_html(),
            "description": null, "fork": false,
        });
        repository.extend(own.as_object().cloned().unwrap_or_default());
        Value::Object(repository)
    }

    /// `repository`, as in a pull request.
    pub(crate) fn repository_json(&self) -> Value {
        let mut repository = self.minimal_repository();
        let html = self.repo_html();
        let born = stamp(1_700_000_000_000);
        let more = json!({
            "git_url": html.replacen("https", "git", 1), "ssh_url": format!("git@{}.git", self.full_name()),
            "clone_url": format!("{html}.git"), "svn_url": html, "mirror_url": null, "homepage": null,
            "language": null, "license": null, "forks_count": 0, "stargazers_count": 0, "watchers_count": 0,
            "size": 108, "default_branch": self.repository.default_branch, "open_issues_count": 0,
            "has_issues": true, "has_projects": true, "has_wiki": false, "has_pages": false,
            "has_downloads": true, "has_discussions": false, "archived": false, "disabled": false,
            "pushed_at": born, "created_at": born, "updated_at": born,
            "forks": 0, "open_issues": 0, "watchers": 0,
            "visibility": if self.repository.private { "private" } else { "public" },
        });
        extend(&mut repository, &more);
        repository
    }

    /// `full-repository`.
    pub(crate) fn full_repository(&self) -> Value {
        let mut repository = self.repository_json();
        extend(&mut repository, &json!({"subscribers_count": 0, "network_count": 0}));
        repository
    }
}

/// Puts all of `more` into `object`.
pub(crate) fn extend(object: &mut Value, more: &Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more.clone());
    }
}
