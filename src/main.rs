//! The program: environment in, exit status out. Everything else is the library's.

use std::{io::Write, process::ExitCode};

use deployment_approvals::{post, tempo::Tempo};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Makes a test of this program hurry; unset in production.
const HURRY: &str = "DEPLOYMENT_APPROVALS_HURRY";

/// For somebody who runs it by hand: GitHub passes no arguments.
const HELP: &str = concat!(
    env!("CARGO_PKG_NAME"),
    " ",
    env!("CARGO_PKG_VERSION"),
    "
",
    env!("CARGO_PKG_DESCRIPTION"),
    "

Usage: deployment-approvals [--help | --version]

It runs as a step of a GitHub Actions job and takes no other arguments. What it reads:
  GITHUB_*   the runner's variables: the event, the repository, this run
  INPUT_*    the action's inputs, as in INPUT_TOKEN and INPUT_POLL-INTERVAL
             (action.yml and the README list them)
Started under the name deployment-approvals-post it is the post step.
"
);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let program = arguments.next().unwrap_or_default();
    if let Some(argument) = arguments.next() {
        return by_hand(&argument);
    }
    // Lossy: a variable of something else that is no UTF-8 must not stop this.
    let environment: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let hurry = environment.iter().find(|(name, _)| name == HURRY).and_then(|(_, speed)| speed.parse().ok());
    let tempo = hurry.map_or_else(Tempo::real, Tempo::hurried);
    let stop = listen();
    let passed = if post::is_post(&program) {
        post::run(&environment, tempo, stop).await
    } else {
        deployment_approvals::run(&environment, tempo, stop).await
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Answers somebody at a terminal. A reader that went away (`| head`) is no failure.
fn by_hand(argument: &str) -> ExitCode {
    let (text, known) = answer(argument);
    let written =
        if known { std::io::stdout().write_all(text.as_bytes()) } else { std::io::stderr().write_all(text.as_bytes()) };
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ if known => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

/// What is said to an argument, and whether it is one we know.
fn answer(argument: &str) -> (String, bool) {
    match argument {
        "--version" | "-V" => (concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n").to_owned(), true),
        "--help" | "-h" => (HELP.to_owned(), true),
        _ => (format!("unknown argument {argument:?}\n\n{HELP}"), false),
    }
}

/// Turns true at the first SIGINT or SIGTERM: PID 1 of a container has no default handlers, and the runner
/// cancels with both, 7.5 s apart. A second signal of whatever kind ends the process at once.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation>
fn listen() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    let signals: Vec<Signal> =
        [SignalKind::interrupt(), SignalKind::terminate()].into_iter().filter_map(|kind| signal(kind).ok()).collect();
    for mut signal in signals {
        let stop = stop.clone();
        tokio::spawn(async move {
            signal.recv().await;
            if stop.send_replace(true) {
                std::process::exit(130);
            }
            signal.recv().await;
            std::process::exit(130);
        });
    }
    stopped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_one_line_and_the_help_names_what_is_read() {
        assert_eq!(answer("--version"), (format!("deployment-approvals {}\n", env!("CARGO_PKG_VERSION")), true));
        let (help, known) = answer("--help");
        assert!(known && help.contains("INPUT_*") && help.contains(deployment_approvals::post::POST), "{help}");
    }

    #[test]
    fn an_unknown_argument_is_refused_and_cannot_speak_to_the_runner() {
        let (text, known) = answer("x\n::error::y");
        assert!(!known && text.starts_with(r#"unknown argument "x\n::error::y""#), "{text}");
    }
}
