//! The log: one door to standard output, behind which every line is made harmless.
//!
//! `tracing` events of this crate become lines: an error or a warning is an annotation, debug lines show
//! only when the job was re-run with debug logging. The token is cut out of everything.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use tracing::{Event, Level, Subscriber, field::Field};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::escape;

/// The target whose messages are workflow commands of our own and pass as they are.
pub const COMMAND: &str = "deployment_approvals::command";

/// Whether the job was re-run with debug logging.
/// <https://docs.github.com/en/actions/how-tos/monitor-workflows/enable-debug-logging>
pub fn debugging(environment: &[(String, String)]) -> bool {
    environment.iter().any(|(name, value)| name == "RUNNER_DEBUG" && value == "1")
}

/// Sends the log to standard output for the rest of the process.
pub fn start(debug: bool, token: SecretString) {
    let level = if debug { Level::DEBUG } else { Level::INFO };
    let subscriber = tracing_subscriber::fmt().with_max_level(level).event_format(Lines { token }).finish();
    // A second start (tests in one process) keeps the first.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// Replaces the token wherever it stands.
pub fn redact(text: &str, token: &SecretString) -> String {
    let token = token.expose_secret();
    if token.len() < 4 { text.to_owned() } else { text.replace(token, "***") }
}

/// Folds the lines that `body` logs under a title.
pub fn group(title: &str, body: impl FnOnce()) {
    tracing::info!(target: COMMAND, "::group::{}", escape::command_data(title));
    body();
    tracing::info!(target: COMMAND, "::endgroup::");
}

/// A notice, which is an annotation that says nothing is wrong.
pub fn notice(text: &str) {
    tracing::info!(target: COMMAND, "::notice::{}", escape::command_data(text));
}

struct Lines {
    token: SecretString,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        if !metadata.target().starts_with("deployment_approvals") {
            return Ok(());
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let text = redact(&message.0, &self.token);
        if metadata.target() == COMMAND {
            return writeln!(writer, "{text}");
        }
        match *metadata.level() {
            Level::ERROR => writeln!(writer, "::error::{}", escape::command_data(&text)),
            Level::WARN => writeln!(writer, "::warning::{}", escape::command_data(&text)),
            Level::INFO => writeln!(writer, "{}", escape::log_line(&text)),
            _ => writeln!(writer, "::debug::{}", escape::command_data(&text)),
        }
    }
}

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
