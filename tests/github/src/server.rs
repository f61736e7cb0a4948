//! Sockets: an accept loop of its own, so that connections can be broken at any point.
//!
//! Requests get their number and their effect one at a time, in the order of arrival. A hook (see
//! [`Github::after_effect`]) runs while all others wait; a request whose client is gone by then is never served.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard, oneshot};

use crate::door::Arrival;
use crate::faults::{Fault, RequestInfo, When};
use crate::wire::{Answer, Request, parse_query};
use crate::world::World;

/// A simulated GitHub that listens on a port of this machine, for as long as any copy of this handle lives.
#[derive(Clone)]
pub struct Github {
    state: Arc<State>,
    address: SocketAddr,
    _alive: Arc<oneshot::Sender<Infallible>>,
}

struct State {
    world: Mutex<World>,
    turnstile: Arc<Turnstile<()>>,
    hooks: Mutex<Vec<Hook>>,
    /// Requests that hang: they have yet to take effect, whether or not anybody still waits for them.
    hanging: AtomicUsize,
}

/// What a hook does.
type Action = Box<dyn FnOnce() + Send>;

struct Hook {
    when: When,
    moment: Moment,
    run: Action,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Effect,
    Answer,
}

impl Github {
    /// Starts to listen; returns when it does. The world's `api_url` is set.
    pub fn start(mut world: World) -> Github {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        world.api_url = format!("http://{address}{}", if world.enterprise { "/api/v3" } else { "" });
        let (alive, gone) = oneshot::channel();
        let state = State {
            world: Mutex::new(world),
            turnstile: Arc::new(Turnstile::new(())),
            hooks: Mutex::new(Vec::new()),
            hanging: AtomicUsize::new(0),
        };
        let github = Github { state: Arc::new(state), address, _alive: Arc::new(alive) };
        let state = Arc::clone(&github.state);
        thread::spawn(move || serve(listener, &state, gone));
        github
    }

    /// For `GITHUB_API_URL`.
    pub fn api_url(&self) -> String {
        self.world(|world| world.api_url.clone())
    }

    /// For `GITHUB_GRAPHQL_URL`.
    pub fn graphql_url(&self) -> String {
        let prefix = if self.world(|world| world.enterprise) { "/api" } else { "" };
        format!("http://{}{prefix}/graphql", self.address)
    }

    /// For `GITHUB_SERVER_URL`; every `html_url` begins with it. Nothing listens there.
    pub fn server_url(&self) -> String {
        self.world(|world| world.server_url.clone())
    }

    /// Looks at the world, or changes it, at this moment. Everything due has happened by then. Not to be called from
    /// within itself.
    pub fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        let mut world = lock(&self.state.world);
        world.advance();
        look(&mut world)
    }

    /// Once, right after a request has taken effect and before it is answered: to kill the client, for instance.
    /// Nothing else is served meanwhile.
    pub fn after_effect(&self, when: impl Into<When>, run: impl FnOnce() + Send + 'static) {
        self.hook(when.into(), Moment::Effect, run);
    }

    /// Once, right after a request has been answered and before any other has an effect.
    pub fn after_answer(&self, when: impl Into<When>, run: impl FnOnce() + Send + 'static) {
        self.hook(when.into(), Moment::Answer, run);
    }

    fn hook(&self, when: When, moment: Moment, run: impl FnOnce() + Send + 'static) {
        lock(&self.state.hooks).push(Hook { when, moment, run: Box::new(run) });
    }

    /// Waits until whatever hung has taken effect.
    pub fn wait_for_the_late(&self) {
        while self.state.hanging.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Looks at the world every millisecond or so until it shows something, for at most so long.
    pub fn wait_until<R>(&self, at_most: Duration, mut look: impl FnMut(&mut World) -> Option<R>) -> Option<R> {
        let give_up = std::time::Instant::now() + at_most;
        loop {
            let seen = self.world(&mut look);
            if seen.is_some() || std::time::Instant::now() > give_up {
                return seen;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A panic while the world was looked at (a failed assertion in a test) does not make it unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: StdListener, state: &Arc<State>, gone: oneshot::Receiver<Infallible>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let state = Arc::clone(state);
    runtime.block_on(async move {
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("a listener");
        tokio::spawn(accept(listener, state));
        let _ = gone.await;
    });
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&state)));
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = stream.into_std() else {
        return;
    };
    let Ok(socket) = stream.try_clone().map(Arc::new) else {
        return;
    };
    let Ok(stream) = TcpStream::from_std(stream) else {
        return;
    };
    let service = service_fn(|request| {
        // A task of its own: what has reached GitHub takes its course, whether or not the client still waits.
        let exchange = tokio::spawn(exchange(Arc::clone(&state), Arc::clone(&socket), request));
        async { exchange.await.unwrap_or(Err(Reset)) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if served.is_err() {
        let _ = SockRef::from(&*socket).set_linger(Some(Duration::ZERO));
    }
}

/// The connection is to be reset.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is reset")
    }
}

impl std::error::Error for Reset {}

async fn exchange(
    state: Arc<State>,
    socket: Arc<StdStream>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Reply>, Reset> {
    let enterprise = lock(&state.world).enterprise;
    let request = read(request, enterprise).await.ok_or(Reset)?;
    let mut turn = Arc::clone(&state.turnstile).lock_owned().await;
    if is_gone(&socket) {
        return Err(Reset);
    }
    let arrival = lock(&state.world).arrive(request);
    let hangs = matches!(arrival.fault, Some(Fault::HangBefore(_)));
    if let Some(Fault::HangBefore(time)) = arrival.fault {
        state.hanging.fetch_add(1, Ordering::SeqCst);
        drop(turn);
        tokio::time::sleep(time).await;
        turn = Arc::clone(&state.turnstile).lock_owned().await;
    }
    let answer = lock(&state.world).answer(&arrival);
    if hangs {
        state.hanging.fetch_sub(1, Ordering::SeqCst);
    }
    if let Some(hook) = state.take_hook(&arrival.info, Moment::Effect) {
        run(hook).await;
        if is_gone(&socket) {
            return Err(Reset);
        }
    }
    let last = state.take_hook(&arrival.info, Moment::Answer).map(|hook| Last { hook: Some((hook, turn)) });
    if let Some(Fault::HangAfter(time)) = arrival.fault {
        tokio::time::sleep(time).await;
    }
    reply(&arrival, answer, last)
}

async fn run(hook: Action) {
    let _ = tokio::task::spawn_blocking(hook).await;
}

impl State {
    fn take_hook(&self, info: &RequestInfo, moment: Moment) -> Option<Action> {
        let mut hooks = lock(&self.hooks);
        let found = hooks.iter_mut().position(|hook| hook.moment == moment && hook.when.comes_up(info))?;
        Some(hooks.remove(found).run)
    }
}

/// Whether the client has closed its side or died.
fn is_gone(socket: &StdStream) -> bool {
    match socket.peek(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

async fn read(request: hyper::Request<Incoming>, enterprise: bool) -> Option<Request> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes().to_vec();
    let path = head.uri.path();
    let bare = match enterprise {
        true if path == "/api/graphql" => Some("/graphql"),
        true => path.strip_prefix("/api/v3"),
        false => Some(path),
    };
    let headers = head.headers.iter();
    let headers = headers.map(|(k, v)| (k.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
    Some(Request {
        method: head.method.to_string(),
        path: bare.unwrap_or("/outside-of-the-api").to_owned(),
        query: parse_query(head.uri.query().unwrap_or_default()),
        headers: headers.collect(),
        body,
    })
}

fn reply(arrival: &Arrival, answer: Answer, last: Option<Last>) -> Result<hyper::Response<Reply>, Reset> {
    if matches!(arrival.fault, Some(Fault::ResetBefore | Fault::ResetAfter)) {
        return Err(Reset);
    }
    let truncated = matches!(arrival.fault, Some(Fault::Truncated));
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let length = answer.body.len() as u64;
    let mut bytes = Bytes::from(answer.body);
    if truncated {
        bytes.truncate(bytes.len() / 2);
    }
    let reply = Reply { bytes: Some(bytes), length, truncated, pause: None, _last: last };
    response.body(reply).map_err(|_| Reset)
}

/// A body that may break off in the middle.
struct Reply {
    bytes: Option<Bytes>,
    length: u64,
    truncated: bool,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    _last: Option<Last>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        if let Some(bytes) = self.bytes.take().filter(|b| !b.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.truncated {
            return Poll::Ready(None);
        }
        // The first half has to leave the house before the break.
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(20))));
        pause.as_mut().poll(cx).map(|()| Some(Err(Reset)))
    }

    fn is_end_stream(&self) -> bool {
        !self.truncated && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// A hook to be run when the answer has gone out; until then it is nobody else's turn.
struct Last {
    hook: Option<(Action, OwnedMutexGuard<()>)>,
}

impl Drop for Last {
    fn drop(&mut self) {
        let Some((hook, turn)) = self.hook.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            run(hook).await;
            drop(turn);
        });
    }
}
