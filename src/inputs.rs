//! The action's inputs: the strings of `with:` become one typed value here, and nowhere else.
//!
//! An input that is an empty string means its default, since GitHub passes undeclared defaults as "".
//! Every unusable value is found before anything is reported, so that one run shows all mistakes.

use std::{
    path::{Component, Path},
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;

/// Everything `with:` can say, checked. Names are those of `action.yml`.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The token for every request.
    pub token: SecretString,
    /// The file that lists the affected components, relative to the workspace.
    pub affected: Option<String>,
    /// The file with rules and defaults, relative to the workspace.
    pub config: String,
    /// The pull request, for events that have none.
    pub pull_request: Option<u64>,
    /// Stay until all is finished, or make one pass.
    pub wait: bool,
    /// Shortest time between two looks at the runs.
    pub poll_interval: Duration,
    /// Longest time to stay alive.
    pub timeout: Duration,
    /// Whether a time-out fails the step.
    pub on_timeout: OnTimeout,
    /// What becomes of the dispatched runs when this job is cancelled.
    pub on_cancel: OnCancel,
    /// Which ends fail the step.
    pub fail_on: FailOn,
    /// What to demand of the environments.
    pub environment_check: EnvironmentCheck,
    /// A rollout with more deployments is held; 0: no limit.
    pub max_deployments: usize,
    /// Most deployments active at once; 0: no limit.
    pub max_parallel: usize,
    /// A pull request with this label is not deployed.
    pub skip_label: String,
    /// Releases a held rollout.
    pub release_label: String,
    /// Keep the sticky comment.
    pub comment: bool,
    /// Tells apart several uses of the action on one pull request.
    pub comment_key: String,
    /// Resolve and check everything, dispatch nothing.
    pub dry_run: bool,
}

/// `on-timeout`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    /// A time-out fails the step.
    Fail,
    /// A time-out passes: a sweep carries on.
    Detach,
}

/// `on-cancel`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// The runs are left alone.
    Leave,
    /// Runs not yet approved are cancelled.
    CancelWaiting,
    /// All unfinished runs are cancelled.
    CancelAll,
}

/// `fail-on`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// Any deployment that was to be made and did not succeed.
    Any,
    /// As `Any`, but a rejection and what it skipped pass.
    Failure,
    /// No end of a deployment fails the step.
    Never,
}

/// `environment-check`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentCheck {
    /// Refuse environments that do not exist, warn about unprotected ones.
    Exists,
    /// Refuse both.
    Protected,
    /// Look at neither.
    Off,
}

/// What `action.yml` declares as the defaults, by the input's name. A test keeps the two equal.
pub const DEFAULTS: [(&str, &str); 18] = [
    ("token", "${{ github.token }}"),
    ("affected", ""),
    ("config", ".github/deployments.yml"),
    ("pull-request", ""),
    ("wait", "true"),
    ("poll-interval", "15s"),
    ("timeout", "5h30m"),
    ("on-timeout", "fail"),
    ("on-cancel", "leave"),
    ("fail-on", "any"),
    ("environment-check", "exists"),
    ("max-deployments", "50"),
    ("max-parallel", "0"),
    ("skip-label", "no-apply"),
    ("release-label", "apply-anyway"),
    ("comment", "true"),
    ("comment-key", ""),
    ("dry-run", "false"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Raw {
    token: Option<String>,
    affected: Option<String>,
    config: Option<String>,
    pull_request: Option<String>,
    wait: Option<String>,
    poll_interval: Option<String>,
    timeout: Option<String>,
    on_timeout: Option<String>,
    on_cancel: Option<String>,
    fail_on: Option<String>,
    environment_check: Option<String>,
    max_deployments: Option<String>,
    max_parallel: Option<String>,
    skip_label: Option<String>,
    release_label: Option<String>,
    comment: Option<String>,
    comment_key: Option<String>,
    dry_run: Option<String>,
}

impl Inputs {
    /// Reads the `INPUT_*` variables out of `environment`.
    ///
    /// # Errors
    /// One sentence for each unusable value, naming the input, the value and what is accepted.
    pub fn read(environment: &[(String, String)]) -> Result<Self, Vec<String>> {
        // envy: unset optional inputs arrive as "" and would be Some(""); the runner keeps the hyphens.
        let given = environment
            .iter()
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(name, value)| (name.clone(), value.trim().to_owned()));
        let raw: Raw = envy::prefixed("INPUT_").from_iter(given).map_err(|error| vec![error.to_string()])?;
        let mut check = Check::default();
        let inputs = Self {
            token: check.token(raw.token),
            affected: check.optional("affected", raw.affected, path, A_PATH),
            config: check.read("config", raw.config, path, A_PATH),
            pull_request: check.optional("pull-request", raw.pull_request, number, A_PULL_REQUEST),
            wait: check.read("wait", raw.wait, boolean, A_BOOLEAN),
            poll_interval: check.read("poll-interval", raw.poll_interval, duration, A_DURATION),
            timeout: check.read("timeout", raw.timeout, duration, A_DURATION),
            on_timeout: check.read("on-timeout", raw.on_timeout, on_timeout, "fail or detach"),
            on_cancel: check.read("on-cancel", raw.on_cancel, on_cancel, "leave, cancel-waiting or cancel-all"),
            fail_on: check.read("fail-on", raw.fail_on, fail_on, "any, failure or never"),
            environment_check: check.read(
                "environment-check",
                raw.environment_check,
                environment_check,
                "exists, protected or off",
            ),
            max_deployments: check.read("max-deployments", raw.max_deployments, count, A_COUNT),
            max_parallel: check.read("max-parallel", raw.max_parallel, count, A_COUNT),
            skip_label: check.read("skip-label", raw.skip_label, text, A_LINE),
            release_label: check.read("release-label", raw.release_label, text, A_LINE),
            comment: check.read("comment", raw.comment, boolean, A_BOOLEAN),
            comment_key: check.optional("comment-key", raw.comment_key, key, A_KEY).unwrap_or_default(),
            dry_run: check.read("dry-run", raw.dry_run, boolean, A_BOOLEAN),
        };
        if check.mistakes.is_empty() { Ok(inputs) } else { Err(check.mistakes) }
    }
}

const A_BOOLEAN: &str = "true or false";
const A_DURATION: &str = "a duration above zero such as 15s, 2m30s or 5h30m";
const A_COUNT: &str = "a whole number, 0 for no limit";
const A_PULL_REQUEST: &str = "the number of a pull request, such as 123";
const A_LINE: &str = "one line of text";
const A_KEY: &str = "one line of at most 100 characters";
const A_PATH: &str =
    "the path of a file, relative to the workspace and inside it (never the content itself; write it to a file)";

/// Collects every mistake; each reader answers with some value so that the others are looked at too.
#[derive(Default)]
struct Check {
    mistakes: Vec<String>,
}

impl Check {
    fn token(&mut self, given: Option<String>) -> SecretString {
        let token = given.unwrap_or_default();
        if token.is_empty() {
            self.mistakes.push(
                "input `token` is empty: pass `${{ github.token }}` (its default) or a secret that exists; \
                 a secret is empty in runs for a fork or for Dependabot"
                    .to_owned(),
            );
        } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            // It becomes a header. The value stays unsaid: it is a secret.
            self.mistakes.push(
                "input `token` holds a character that no token has (a line break or a space): check the secret"
                    .to_owned(),
            );
        }
        SecretString::from(token)
    }

    fn optional<T>(
        &mut self,
        name: &str,
        given: Option<String>,
        parse: fn(&str) -> Option<T>,
        accepted: &str,
    ) -> Option<T> {
        let given = given?;
        let value = parse(&given);
        if value.is_none() {
            let shown: String = given.chars().take(80).collect();
            self.mistakes.push(format!("input `{name}` is `{shown}`: accepted is {accepted}"));
        }
        value
    }

    fn read<T>(&mut self, name: &str, given: Option<String>, parse: fn(&str) -> Option<T>, accepted: &str) -> T {
        let default = default_of(name);
        self.optional(name, given, parse, accepted)
            .or_else(|| parse(default))
            .unwrap_or_else(|| unreachable!("the default of {name} is usable"))
    }
}

/// The declared default of an input.
pub fn default_of(name: &str) -> &'static str {
    DEFAULTS.iter().find(|(known, _)| *known == name).map_or("", |(_, default)| *default)
}

/// The YAML 1.2 core schema's spellings, as GitHub's own toolkit accepts them.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn duration(text: &str) -> Option<Duration> {
    // humantime knows more units, of which `M` for a month is a trap. Milliseconds stay: a simulation wants them.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'h' | b'm' | b's'));
    humantime::parse_duration(text).ok().filter(|duration| plain && !duration.is_zero())
}

fn number(text: &str) -> Option<u64> {
    digits(text)?.parse().ok().filter(|number| *number > 0)
}

fn count(text: &str) -> Option<usize> {
    digits(text)?.parse().ok()
}

/// `parse` takes a `+` too.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

fn text(text: &str) -> Option<String> {
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn key(given: &str) -> Option<String> {
    text(given).filter(|key| key.chars().count() <= 100)
}

fn path(given: &str) -> Option<String> {
    text(given).filter(|path| !path.starts_with(['[', '{']) && path.len() <= 4096 && stays_inside(path))
}

/// Whether a path is relative and does not climb out of where it begins. Links are looked at when it is read.
fn stays_inside(path: &str) -> bool {
    let depth = Path::new(path).components().try_fold(0_usize, |depth, part| match part {
        Component::CurDir => Some(depth),
        Component::Normal(_) => Some(depth + 1),
        Component::ParentDir => depth.checked_sub(1),
        Component::RootDir | Component::Prefix(_) => None,
    });
    depth.is_some()
}

fn on_timeout(text: &str) -> Option<OnTimeout> {
    match text {
        "fail" => Some(OnTimeout::Fail),
        "detach" => Some(OnTimeout::Detach),
        _ => None,
    }
}

fn on_cancel(text: &str) -> Option<OnCancel> {
    match text {
        "leave" => Some(OnCancel::Leave),
        "cancel-waiting" => Some(OnCancel::CancelWaiting),
        "cancel-all" => Some(OnCancel::CancelAll),
        _ => None,
    }
}

fn fail_on(text: &str) -> Option<FailOn> {
    match text {
        "any" => Some(FailOn::Any),
        "failure" => Some(FailOn::Failure),
        "never" => Some(FailOn::Never),
        _ => None,
    }
}

fn environment_check(text: &str) -> Option<EnvironmentCheck> {
    match text {
        "exists" => Some(EnvironmentCheck::Exists),
        "protected" => Some(EnvironmentCheck::Protected),
        "off" => Some(EnvironmentCheck::Off),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Inputs, Vec<String>> {
        let mut environment = vec![("INPUT_TOKEN".to_owned(), "t0ken".to_owned())];
        for (name, value) in given {
            environment.push((format!("INPUT_{}", name.to_uppercase()), (*value).to_owned()));
        }
        Inputs::read(&environment)
    }

    #[test]
    fn an_empty_string_means_the_default() {
        let all: Vec<_> = DEFAULTS.iter().skip(1).map(|(name, _)| (*name, "")).collect();
        let inputs = read(&all).expect("defaults are usable");
        assert_eq!(inputs.poll_interval, Duration::from_secs(15));
        assert_eq!(inputs.timeout, Duration::from_secs(19_800));
        assert!(inputs.wait && inputs.comment && !inputs.dry_run);
        assert_eq!((inputs.max_deployments, inputs.max_parallel), (50, 0));
        assert_eq!((inputs.affected, inputs.pull_request), (None, None));
        assert_eq!(inputs.skip_label, "no-apply");
    }

    #[test]
    fn hyphens_are_kept_as_the_runner_keeps_them() {
        let inputs = read(&[("poll-interval", "2m30s"), ("on-cancel", "cancel-waiting")]).expect("usable values");
        assert_eq!(inputs.poll_interval, Duration::from_secs(150));
        assert_eq!(inputs.on_cancel, OnCancel::CancelWaiting);
    }

    #[test]
    fn several_mistakes_are_reported_together_and_each_names_input_value_and_what_is_accepted() {
        let mistakes = read(&[
            ("timeout", "soon"),
            ("on-timeout", "explode"),
            ("wait", "yes"),
            ("max-parallel", "-1"),
            ("pull-request", "0"),
            ("affected", "[{\"component\":\"vpc\"}]"),
            ("poll-interval", "0s"),
        ])
        .expect_err("seven mistakes");
        insta::assert_snapshot!(mistakes.join("\n"));
    }

    #[test]
    fn what_only_looks_like_a_number_a_duration_or_a_path_inside_is_refused() {
        for (name, value) in [
            ("timeout", "5d"),
            ("timeout", "1M"),
            ("max-deployments", "+5"),
            ("pull-request", "+5"),
            ("affected", "/etc/passwd"),
            ("affected", "a/../../b"),
            ("config", ".."),
        ] {
            assert!(read(&[(name, value)]).is_err(), "{name} {value}");
        }
        let usable = read(&[("affected", "./a/../b.json"), ("timeout", "200m"), ("max-deployments", "050")]);
        assert_eq!(usable.expect("usable").max_deployments, 50);
    }

    #[test]
    fn an_empty_token_is_a_mistake_and_a_broken_one_is_not_repeated() {
        let none = Inputs::read(&[]).expect_err("no token");
        assert!(none.join("").contains("input `token` is empty"), "{none:?}");
        let broken = read(&[("token", "gh\ns_x")]).expect_err("a line break");
        assert!(!broken.join("").contains("s_x"), "{broken:?}");
    }
}
