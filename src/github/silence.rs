//! What is known of a request that got no usable answer, from the errors of the client.

/// A request that got no usable answer.
pub(super) struct Silence {
    /// Whether it may have reached GitHub.
    pub(super) sent: bool,
    pub(super) why: String,
    /// The server showed a certificate that is not accepted.
    pub(super) untrusted: bool,
}

impl Silence {
    pub(super) fn of(error: &(dyn std::error::Error + 'static), sent: bool) -> Self {
        let untrusted = std::iter::successors(Some(error), |error| error.source()).any(is_untrusted);
        Self { sent, why: causes(error), untrusted }
    }

    pub(super) fn after(why: &str) -> Self {
        Self { sent: true, why: why.to_owned(), untrusted: false }
    }
}

/// Whether the connection was never made, or the request came back from a connection that was closed
/// before it took it.
pub(super) fn never_sent(error: &octocrab::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(client) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return client.is_connect();
        }
        cause = error.source();
    }
    false
}

/// Whether the server's certificate was not accepted. An I/O error hides from `source` what it carries, and
/// an error of TLS is carried twice.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(carried) => is_untrusted(carried),
        None => matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))),
    }
}

/// An error with its causes, without the repetitions of wrapping layers.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string().lines().next().unwrap_or_default().to_owned();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        cause = error.source();
    }
    parts.join(": ")
}
