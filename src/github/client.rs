//! The HTTP client below octocrab: TLS with the CA roots of the image or of `SSL_CERT_FILE`, and the way through a
//! proxy where the runner names one, which octocrab's own client does not know.
//!
//! <https://docs.github.com/en/actions/how-tos/manage-runners/self-hosted-runners/use-proxy-servers>

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::TryFutureExt;
use http::{HeaderValue, Uri, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::{
        legacy::{
            Client,
            connect::{HttpConnector, proxy::Tunnel},
        },
        proxy::matcher::Matcher,
    },
    rt::{TokioExecutor, TokioIo},
};
use octocrab::{
    AuthState, Octocrab, OctocrabBuilder,
    service::middleware::{auth_header::AuthHeaderLayer, base_uri::BaseUriLayer, extra_headers::ExtraHeadersLayer},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_service::Service;

use crate::context::Proxy;

/// GitHub refuses requests that do not say who sends them.
const USER_AGENT: &str = concat!("deployment-approvals/", env!("CARGO_PKG_VERSION"));

type Problem = Box<dyn Error + Send + Sync>;

/// The ways to ask one server. They repeat nothing by themselves.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Connections are kept for the next request.
    pub keeping: Octocrab,
    /// Each request has a connection of its own: one that was kept may be closed by the server at the very moment it
    /// is used again, and then nobody knows whether the request arrived.
    pub fresh: Octocrab,
}

/// Clients for one server. `connect` is the longest time a connection may take to be made, TLS included.
///
/// # Errors
/// There are no CA roots, the token cannot stand in a header, or the proxy is of a kind that is not supported.
pub fn new(server: &Uri, token: &SecretString, connect: Duration, proxy: &Proxy) -> Result<Clients, Problem> {
    let tls = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
    let mut connector = TimeoutConnector::new(tls.wrap_connector(Way::to(server, proxy)?));
    connector.set_connect_timeout(Some(connect));
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))?;
    bearer.set_sensitive(true);
    let agent = (header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let client = |kept: usize| {
        let service = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(kept).build(connector.clone());
        let builder = OctocrabBuilder::new_empty()
            .with_service(service)
            // A repository that was renamed or moved answers with its new place; another host is not told the token.
            .with_layer(&FollowRedirectLayer::new())
            .with_layer(&ExtraHeadersLayer::new(Arc::new(vec![agent.clone()])))
            .with_layer(&BaseUriLayer::new(server.clone()))
            .with_layer(&AuthHeaderLayer::new(Some(bearer.clone()), server.clone(), server.clone()))
            .with_auth(AuthState::None);
        builder.build()
    };
    Ok(Clients { keeping: client(usize::MAX)?, fresh: client(0)? })
}

/// How a connection is made.
#[derive(Debug, Clone)]
enum Way {
    Direct(HttpConnector),
    /// By an HTTP proxy's `CONNECT`, so that TLS goes through from end to end.
    Through(Uri, Box<Tunnel<HttpConnector>>),
}

impl Way {
    /// The way to a server: requests go to no other.
    fn to(server: &Uri, proxy: &Proxy) -> Result<Self, String> {
        let mut direct = HttpConnector::new();
        // TLS comes on top.
        direct.enforce_http(false);
        // What is not secret is asked for directly: few proxies let `CONNECT` through to anything but TLS.
        let named = Matcher::builder().https(proxy.https.expose_secret().to_owned()).no(proxy.bypass.clone()).build();
        let proxy = named.intercept(server).filter(|_| server.scheme_str() == Some("https"));
        let Some(proxy) = proxy else {
            return Ok(Self::Direct(direct));
        };
        if proxy.uri().scheme_str() != Some("http") {
            let scheme = proxy.uri().scheme_str().unwrap_or_default();
            return Err(format!(
                "the variable `https_proxy` names a `{scheme}:` proxy: only `http:` ones are supported"
            ));
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
        if let Some(password) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(password.clone());
        }
        Ok(Self::Through(proxy.uri().clone(), Box::new(tunnel)))
    }
}

impl Service<Uri> for Way {
    type Response = TokioIo<TcpStream>;
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Problem>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Problem>> {
        match self {
            Self::Direct(direct) => direct.poll_ready(context).map_err(Into::into),
            Self::Through(_, tunnel) => tunnel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        match self {
            Self::Direct(direct) => Box::pin(direct.call(server).map_err(Into::into)),
            Self::Through(proxy, tunnel) => {
                // Without a name and password that the address may hold.
                let proxy = format!("{}:{}", proxy.host().unwrap_or_default(), proxy.port_u16().unwrap_or(80));
                Box::pin(tunnel.call(server).map_err(move |error| format!("the proxy {proxy}: {error}").into()))
            }
        }
    }
}
