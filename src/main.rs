//! The program: environment in, exit status out. Everything else is the library's.

use std::process::ExitCode;

use deployment_approvals::{post, tempo::Tempo};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Makes a test of this program hurry; unset in production.
const HURRY: &str = "DEPLOYMENT_APPROVALS_HURRY";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Lossy: a variable of something else that is no UTF-8 must not stop this.
    let environment: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let hurry = environment.iter().find(|(name, _)| name == HURRY).and_then(|(_, speed)| speed.parse().ok());
    let tempo = hurry.map_or_else(Tempo::real, Tempo::hurried);
    let program = std::env::args().next().unwrap_or_default();
    let stop = listen();
    let passed = if post::is_post(&program) {
        post::run(&environment, tempo, stop).await
    } else {
        deployment_approvals::run(&environment, tempo, stop).await
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Turns true at the first SIGINT or SIGTERM: PID 1 of a container has no default handlers, and the runner
/// cancels with both. A second signal of the same kind ends the process at once.
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
