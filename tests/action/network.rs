//! What lies between the runner and GitHub in a company: a private certificate authority, and a proxy.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use simulated_github::ReviewState::Approved;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::stage::{Stage, component, quick_world, will_say};

/// The name that only the proxy knows the way to.
const HOST: &str = "api.acme.test";

/// A company's network: GitHub behind TLS of the company's own authority, and a proxy that leads there.
struct Network {
    _runtime: Runtime,
    /// The authority's certificate, as PEM.
    authority: String,
    proxy: String,
    /// The heads of the `CONNECT` requests.
    asked: Arc<Mutex<Vec<String>>>,
    /// Connections that came to the TLS door.
    came: Arc<AtomicUsize>,
}

impl Network {
    fn before(github: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let github = github.trim_start_matches("http://").to_owned();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec![HOST.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (asked, came) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (door, proxy) = runtime.block_on(async {
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap())
        });
        let (door_at, proxy_at) = (door.local_addr().unwrap(), proxy.local_addr().unwrap());
        let count = Arc::clone(&came);
        runtime.spawn(async move {
            while let Ok((client, _)) = door.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (acceptor, github) = (acceptor.clone(), github.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    copy_bidirectional(&mut client, &mut TcpStream::connect(github).await?).await
                });
            }
        });
        let heads = Arc::clone(&asked);
        runtime.spawn(async move {
            while let Ok((mut client, _)) = proxy.accept().await {
                let heads = Arc::clone(&heads);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(client.read_u8().await?);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let known = head.starts_with(&format!("CONNECT {HOST}:443 "));
                    heads.lock().unwrap().push(head);
                    if !known {
                        return client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
                    }
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                    copy_bidirectional(&mut client, &mut TcpStream::connect(door_at).await?).await.map(drop)
                });
            }
        });
        Self { _runtime: runtime, authority: authority.pem(), proxy: proxy_at.to_string(), asked, came }
    }
}

/// A door before GitHub that closes each connection a moment after its answer, without having said so. What is asked
/// on it meanwhile is never read.
fn closing(github: &str) -> (Runtime, String) {
    let runtime = Runtime::new().unwrap();
    let github = github.trim_start_matches("http://").to_owned();
    let door = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", door.local_addr().unwrap());
    runtime.spawn(async move {
        while let Ok((mut client, _)) = door.accept().await {
            let github = github.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(github).await?;
                message(&mut client, &mut server).await?;
                message(&mut server, &mut client).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
                std::io::Result::Ok(())
            });
        }
    });
    (runtime, address)
}

/// Hands one message on, head and body.
async fn message(from: &mut TcpStream, to: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    to.write_all(&head).await?;
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    from.read_exact(&mut body).await?;
    to.write_all(&body).await
}

/// A rollout with one gate, on a GitHub that only the network leads to.
fn behind() -> (Stage, Network) {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Approved, "");
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
    let network = Network::before(&stage.github.api_url());
    stage.set("GITHUB_API_URL", &format!("https://{HOST}"));
    stage.set("https_proxy", &format!("http://deploy:s3cret@{}", network.proxy));
    let roots = stage.folder.path().join("ca.pem");
    std::fs::write(&roots, &network.authority).unwrap();
    stage.set("SSL_CERT_FILE", roots.to_str().unwrap());
    (stage, network)
}

#[test]
fn a_private_authority_and_a_proxy_with_a_password_lead_to_github() {
    let (stage, network) = behind();
    stage.run().expect("succeeded", 0);
    let asked = network.asked.lock().unwrap();
    // `deploy:s3cret` in Base64.
    assert!(asked.iter().all(|head| head.contains("Basic ZGVwbG95OnMzY3JldA==")), "{asked:?}");
    assert!(network.came.load(Ordering::Relaxed) > 0 && !asked.is_empty());
    // The token goes through TLS alone.
    assert!(!asked.concat().contains("ghs_"), "{asked:?}");
}

#[test]
fn an_authority_that_is_not_known_is_told_at_once() {
    let (mut stage, _network) = behind();
    stage.environment.remove("SSL_CERT_FILE");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("certificate is not trusted") && ended.log.contains("SSL_CERT_FILE"), "{}", ended.log);
}

#[test]
fn hosts_of_no_proxy_are_asked_directly() {
    let (mut stage, network) = behind();
    stage.set("no_proxy", "other.test,.acme.test");
    stage.set("INPUT_TIMEOUT", "1s");
    // Nobody but the proxy knows the name.
    let ended = stage.run();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(network.asked.lock().unwrap().is_empty());
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    let (mut stage, network) = behind();
    stage.set("GITHUB_API_URL", "https://elsewhere.test");
    stage.set("INPUT_TIMEOUT", "1s");
    let ended = stage.run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains(&format!("the proxy {}", network.proxy)), "{}", ended.log);
    assert!(!ended.log.contains("s3cret"), "{}", ended.log);
}

#[test]
fn a_proxy_of_another_kind_is_refused_by_its_kind() {
    let (mut stage, _network) = behind();
    stage.set("https_proxy", "socks5://127.0.0.1:1080");
    let ended = stage.run();
    ended.expect("failed", 1);
    assert!(ended.log.contains("names a `socks5:` proxy"), "{}", ended.log);
}

#[test]
fn what_is_sent_once_is_not_sent_on_a_connection_that_may_be_dying() {
    let mut world = quick_world();
    will_say(&mut world, "vpc", "prod", Approved, "");
    let mut stage = Stage::new(world, &json!([component("vpc", "plat-prod", "prod", &[])]));
    let (_runtime, address) = closing(&stage.github.api_url());
    stage.set("GITHUB_API_URL", &address);
    stage.run().expect("succeeded", 0);
    assert_eq!(stage.github.world(|world| world.dispatches().len()), 1);
}
