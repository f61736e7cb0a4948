//! Where this process runs: the `GITHUB_*` variables the runner sets, checked and typed.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// The step this process is.
#[derive(Debug, Clone)]
pub struct Context {
    /// `https://api.github.com`, or an Enterprise Server's `https://host/api/v3`.
    pub api_url: http::Uri,
    /// `https://github.com`, or an Enterprise Server's; links for people start with it.
    pub server_url: String,
    /// `owner/name`; empty where only the payload knows it.
    pub repository: String,
    /// The name of the event, such as `pull_request`.
    pub event_name: String,
    /// The file with the event's payload.
    pub event_path: PathBuf,
    /// Where the repository is checked out, if it is.
    pub workspace: PathBuf,
    /// This workflow run.
    pub run_id: u64,
    /// Its attempt, from 1.
    pub run_attempt: u64,
    /// What tells this use of the action from others: workflow file, job and step.
    pub origin: Origin,
    /// The file for outputs, where there is one.
    pub output: Option<PathBuf>,
    /// The file for the job summary, where there is one.
    pub summary: Option<PathBuf>,
    /// The file for state of the post step, where there is one.
    pub saved_state: Option<PathBuf>,
    /// Whether the job was re-run with debug logging.
    pub debug: bool,
    /// The proxy of a self-hosted runner.
    pub proxy: Proxy,
}

/// The proxy that a self-hosted runner names to its steps.
/// <https://docs.github.com/en/actions/how-tos/manage-runners/self-hosted-runners/use-proxy-servers>
#[derive(Debug, Clone, Default)]
pub struct Proxy {
    /// `https_proxy`: its address, which may hold a password; empty where there is none.
    pub https: SecretString,
    /// `no_proxy`: hosts that are asked directly.
    pub bypass: String,
}

impl Proxy {
    /// Like curl, lower case before upper case.
    fn read(environment: &[(String, String)]) -> Self {
        let one = |names: [&str; 2]| {
            let of = |name: &&str| environment.iter().find(|(known, value)| known == name && !value.is_empty());
            names.iter().find_map(of).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Self { https: one(["https_proxy", "HTTPS_PROXY"]).into(), bypass: one(["no_proxy", "NO_PROXY"]) }
    }
}

/// One use of the action in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The workflow's file, without repository and ref; its name where the runner does not tell.
    pub workflow: String,
    /// The job's key.
    pub job: String,
    /// The step's id, or the name GitHub gives a step without.
    pub step: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    api_url: Option<String>,
    server_url: Option<String>,
    repository: Option<String>,
    event_name: Option<String>,
    event_path: Option<PathBuf>,
    workspace: Option<PathBuf>,
    run_id: Option<String>,
    run_attempt: Option<String>,
    workflow: Option<String>,
    workflow_ref: Option<String>,
    job: Option<String>,
    action: Option<String>,
    output: Option<PathBuf>,
    step_summary: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl Context {
    /// Reads the runner's variables out of `environment`.
    ///
    /// # Errors
    /// One sentence for each variable that is missing or unusable.
    pub fn read(environment: &[(String, String)]) -> Result<Self, Vec<String>> {
        let given = environment.iter().filter(|(_, value)| !value.is_empty()).cloned();
        let raw: Raw = envy::prefixed("GITHUB_").from_iter(given).map_err(|error| vec![error.to_string()])?;
        let mut mistakes = Vec::new();
        let mut must = |name: &str, value: Option<String>| {
            if value.is_none() {
                mistakes
                    .push(format!("variable `{name}` is not set: this program runs as a step of a GitHub Actions job"));
            }
            value.unwrap_or_default()
        };
        let event_name = must("GITHUB_EVENT_NAME", raw.event_name);
        let run_id = must("GITHUB_RUN_ID", raw.run_id);
        let event_path = must("GITHUB_EVENT_PATH", raw.event_path.map(|path| path.to_string_lossy().into_owned()));
        let repository = raw.repository.unwrap_or_default();
        if !repository.is_empty() && !is_repository(&repository) {
            mistakes.push(format!("variable `GITHUB_REPOSITORY` is `{repository}`: accepted is owner/name"));
        }
        let api_url = raw.api_url.unwrap_or_else(|| "https://api.github.com".to_owned());
        let parsed = api_url.parse::<http::Uri>().ok().filter(|uri| uri.host().is_some() && uri.scheme().is_some());
        if parsed.is_none() {
            mistakes.push(format!("variable `GITHUB_API_URL` is `{api_url}`: accepted is an absolute http(s) address"));
        }
        let mut positive = |name: &str, text: &str| {
            let number = text.parse::<u64>().ok().filter(|number| *number > 0);
            if number.is_none() && !text.is_empty() {
                mistakes.push(format!("variable `{name}` is `{text}`: accepted is a number above 0"));
            }
            number.unwrap_or(1)
        };
        let run_id = positive("GITHUB_RUN_ID", &run_id);
        let run_attempt = positive("GITHUB_RUN_ATTEMPT", raw.run_attempt.as_deref().unwrap_or("1"));
        let Some(api_url) = parsed.filter(|_| mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let origin = Origin {
            workflow: workflow_file(raw.workflow_ref.as_deref()).or(raw.workflow).unwrap_or_default(),
            job: raw.job.unwrap_or_default(),
            step: raw.action.unwrap_or_default(),
        };
        Ok(Self {
            api_url,
            server_url: raw
                .server_url
                .unwrap_or_else(|| "https://github.com".to_owned())
                .trim_end_matches('/')
                .to_owned(),
            repository,
            event_name,
            event_path: PathBuf::from(event_path),
            workspace: raw.workspace.unwrap_or_else(|| PathBuf::from(".")),
            run_id,
            run_attempt,
            origin,
            output: raw.output,
            summary: raw.step_summary,
            saved_state: raw.state,
            debug: environment.iter().any(|(name, value)| name == "RUNNER_DEBUG" && value == "1"),
            proxy: Proxy::read(environment),
        })
    }

    /// The page of this workflow run.
    pub fn run_url(&self) -> String {
        format!("{}/{}/actions/runs/{}", self.server_url, self.repository, self.run_id)
    }
}

/// `owner/repo/.github/workflows/deploy.yml@refs/heads/main` → `.github/workflows/deploy.yml`
fn workflow_file(workflow_ref: Option<&str>) -> Option<String> {
    let (path, _) = workflow_ref?.split_once('@')?;
    path.splitn(3, '/').nth(2).map(str::to_owned)
}

/// Whether `text` is `owner/name` in the characters GitHub allows, and so safe in a path and a link.
pub fn is_repository(text: &str) -> bool {
    let allowed = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    text.split_once('/').is_some_and(|(owner, name)| allowed(owner) && allowed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Context, Vec<String>> {
        let environment: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Context::read(&environment)
    }

    #[test]
    fn a_workflow_is_named_by_its_file_whatever_the_ref() {
        let context = read(&[
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_EVENT_PATH", "/e.json"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_WORKFLOW_REF", "o/r/.github/workflows/deploy.yml@refs/heads/main"),
        ])
        .expect("enough");
        assert_eq!(context.origin.workflow, ".github/workflows/deploy.yml");
        assert_eq!(context.run_attempt, 1);
        assert_eq!(context.api_url, "https://api.github.com/");
    }

    #[test]
    fn what_is_missing_or_unusable_is_named_all_at_once() {
        let mistakes =
            read(&[("GITHUB_API_URL", "not an address"), ("GITHUB_REPOSITORY", "../etc"), ("GITHUB_RUN_ATTEMPT", "x")])
                .expect_err("six mistakes");
        insta::assert_snapshot!(mistakes.join("\n"));
    }
}
