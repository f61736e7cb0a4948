//! HTTP, for visitors of this machine alone.
//!
//! It listens on 127.0.0.1. A page from elsewhere that a visitor has open at the same time cannot read it (no
//! name but its own is answered, so that no foreign name can be pointed at it) and cannot act in it (a deed needs a
//! header that only this page knows).

use std::{
    convert::Infallible,
    fs,
    hash::{BuildHasher, RandomState},
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{self, HeaderMap, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    lock,
    play::{Deed, Play},
};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Draws the graphs, where somebody has installed it: `npm ci` in `tests/playground`.
const MERMAID: &str = "tests/playground/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js";

/// The header without which nothing is done.
const KEY: &str = "x-playground-key";

/// The largest deed, in bytes.
const LARGEST: usize = 100_000;

/// Nothing from elsewhere, and no script but its own. Graphs carry styles of their own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

type Body = UnsyncBoxBody<Bytes, Infallible>;

struct House {
    play: Arc<Mutex<Play>>,
    pages: watch::Receiver<String>,
    key: String,
    port: u16,
}

/// Serves until it is interrupted or terminated.
pub fn run(port: u16, play: &Arc<Mutex<Play>>, pages: watch::Receiver<String>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime can be made: {error}"))?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(|error| format!("--port: {port} cannot be used: {error}"))?;
        let port = listener.local_addr().map_err(|error| format!("there is no address: {error}"))?.port();
        let house = Arc::new(House { play: Arc::clone(play), pages, key: key(), port });
        println!("The playground is at http://127.0.0.1:{port} (Ctrl-C ends it)");
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| format!("signals cannot be heard: {error}"))?;
        tokio::select! {
            () = accept(listener, house) => {}
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        Ok(())
    });
    // Pages that are open would keep it alive.
    runtime.shutdown_background();
    served
}

/// A secret of this process, from the system's own randomness.
fn key() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

async fn accept(listener: TcpListener, house: Arc<House>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&house)));
        }
    }
}

async fn connection(stream: TcpStream, house: Arc<House>) {
    let service = service_fn(|request| {
        let house = Arc::clone(&house);
        async move { Ok::<_, Infallible>(answer(request, &house).await) }
    });
    // A visitor who leaves is no mistake.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: Request<Incoming>, house: &Arc<House>) -> Response<Body> {
    if !house.is_called(request.headers()) {
        return text(StatusCode::MISDIRECTED_REQUEST, "This is somebody's playground.");
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => file("text/html; charset=utf-8", PAGE.replace("{{ key }}", &house.key)),
        (&Method::GET, "/page.css") => file("text/css; charset=utf-8", STYLE),
        (&Method::GET, "/page.js") => file(JAVASCRIPT, SCRIPT),
        (&Method::GET, "/mermaid.js") => match fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(MERMAID)) {
            Ok(script) => file(JAVASCRIPT, script),
            // No graphs then; the page shows their source.
            Err(_) => file(JAVASCRIPT, ""),
        },
        (&Method::GET, "/events") => events(house.pages.clone()),
        (&Method::POST, "/deeds") => deed(request, house).await,
        _ => text(StatusCode::NOT_FOUND, "There is nothing here."),
    }
}

impl House {
    /// Whether it is called by its own name.
    fn is_called(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{}", self.port))
    }
}

/// The page's state now, and each time it changes.
fn events(mut pages: watch::Receiver<String>) -> Response<Body> {
    pages.mark_changed();
    let events = stream::unfold(pages, |mut pages| async move {
        pages.changed().await.ok()?;
        let event = format!("data: {}\n\n", *pages.borrow_and_update());
        Some((Ok(Frame::data(Bytes::from(event))), pages))
    });
    respond(StatusCode::OK, "text/event-stream", StreamBody::new(events).boxed_unsync())
}

async fn deed(request: Request<Incoming>, house: &House) -> Response<Body> {
    if request.headers().get(KEY).is_none_or(|key| key.as_bytes() != house.key.as_bytes()) {
        return text(StatusCode::FORBIDDEN, "Only the page itself may do this: load it again.");
    }
    let Ok(body) = Limited::new(request.into_body(), LARGEST).collect().await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "That is too much at once.");
    };
    match serde_json::from_slice::<Deed>(&body.to_bytes()) {
        Err(error) => text(StatusCode::BAD_REQUEST, &format!("That is no deed: {error}")),
        Ok(deed) => match lock(&house.play).act(deed) {
            Ok(()) => text(StatusCode::OK, ""),
            Err(why) => text(StatusCode::CONFLICT, &why),
        },
    }
}

fn file(kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    respond(StatusCode::OK, kind, Full::new(text.into()).boxed_unsync())
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", Full::new(Bytes::from(text.to_owned())).boxed_unsync())
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
