//! What only a real connection shows.

mod stage;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use simulated_github::{Fault, Github, When};
use stage::{DISPATCH, world};

/// Asks over a socket; the answer as it came, or how the connection broke.
fn ask(github: &Github, method: &str, path: &str, body: &str) -> Result<String, ErrorKind> {
    let url = github.api_url();
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).map_err(|error| error.kind());
    let text = String::from_utf8_lossy(&answer).into_owned();
    if text.is_empty() { read.and(Err(ErrorKind::UnexpectedEof)) } else { Ok(text) }
}

fn dispatch(github: &Github) -> Result<String, ErrorKind> {
    let inputs = json!({"component": "vpc", "github_environment": "staging"});
    ask(github, "POST", DISPATCH, &json!({"ref": "main", "inputs": inputs}).to_string())
}

#[test]
fn it_listens_as_soon_as_it_has_started_and_stops_with_its_last_handle() {
    let github = Github::start(world());
    let answer = ask(&github, "GET", "/repos/acme/infra/pulls/7", "").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("Grow the network"), "{answer}");
    let address = github.api_url().replace("http://", "");
    drop(github);
    let closed = || TcpStream::connect(&address).is_err();
    assert!((0..200).any(|_| closed() || {
        thread::sleep(Duration::from_millis(10));
        false
    }));
}

#[test]
fn enterprise_server_is_below_a_path_of_its_own() {
    let mut world = world();
    world.off_the_record();
    world.enterprise = true;
    let github = Github::start(world);
    assert!(github.api_url().ends_with("/api/v3") && github.graphql_url().ends_with("/api/graphql"));
    assert!(ask(&github, "GET", "/api/v3/repos/acme/infra", "").unwrap().contains("200 OK"));
    assert!(ask(&github, "POST", "/api/graphql", r#"{"query":"{viewer{login}}"}"#).unwrap().contains("[bot]"));
    assert!(ask(&github, "GET", "/repos/acme/infra", "").unwrap().contains("404 Not Found"));
}

#[test]
fn a_reset_comes_before_or_after_the_effect() {
    let github = Github::start(world());
    github.world(|world| {
        world.faults.once(When::post("/dispatches"), Fault::ResetBefore);
        world.faults.once(When::post("/dispatches").nth(2), Fault::ResetAfter);
    });
    assert!(dispatch(&github).is_err());
    assert_eq!(github.world(|world| world.dispatches().len()), 0);
    assert!(dispatch(&github).is_err());
    assert_eq!(github.world(|world| world.dispatches().len()), 1);
    assert!(dispatch(&github).unwrap().contains("204 No Content"));
}

#[test]
fn a_truncated_body_promises_more_than_comes() {
    let github = Github::start(world());
    github.world(|world| world.faults.once(When::any(), Fault::Truncated));
    let answer = ask(&github, "GET", "/repos/acme/infra/pulls/7", "").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let promised: usize = promised.parse().unwrap();
    assert!(body.len() == promised / 2 && body.len() > 100, "{} of {promised}", body.len());
}

#[test]
fn a_hanging_request_does_not_hold_up_the_others() {
    let github = Github::start(world());
    let pause = Duration::from_millis(300);
    github.world(|world| world.faults.once(When::post("/dispatches"), Fault::HangBefore(pause)));
    let slow = thread::spawn({
        let github = github.clone();
        move || dispatch(&github)
    });
    while github.world(|world| world.request_count()) == 0 {
        thread::yield_now();
    }
    let begun = Instant::now();
    ask(&github, "GET", "/repos/acme/infra/actions/runs", "").unwrap();
    assert!(begun.elapsed() < pause && github.world(|world| world.dispatches().is_empty()));
    assert!(slow.join().unwrap().unwrap().contains("204"));
    assert_eq!(github.world(|world| world.dispatches().len()), 1);
}

#[test]
fn a_hook_runs_after_the_effect_and_before_the_answer() {
    let github = Github::start(world());
    let (seen, sees) = mpsc::channel();
    let inner = github.clone();
    github.after_effect(When::post("/dispatches"), move || {
        seen.send(inner.world(|world| world.dispatches().len())).unwrap();
    });
    dispatch(&github).unwrap();
    assert_eq!(sees.recv_timeout(Duration::from_secs(5)), Ok(1));
}

#[test]
fn nothing_takes_effect_between_an_answer_and_its_hook() {
    let github = Github::start(world());
    let (seen, sees) = mpsc::channel();
    let inner = github.clone();
    github.after_answer(1, move || {
        thread::sleep(Duration::from_millis(50));
        seen.send(inner.world(|world| world.request_count())).unwrap();
    });
    dispatch(&github).unwrap();
    dispatch(&github).unwrap();
    assert_eq!(sees.recv_timeout(Duration::from_secs(5)), Ok(1));
    assert_eq!(github.world(|world| world.dispatches().len()), 2);
}

#[test]
fn a_client_that_dies_in_a_hook_has_no_further_effect() {
    let github = Github::start(world());
    let address = github.api_url().replace("http://", "");
    let body = json!({"ref": "main", "inputs": {"component": "vpc", "github_environment": "staging"}}).to_string();
    let post = format!(
        "POST {DISPATCH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connections: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let others: Vec<TcpStream> = connections.iter().map(|c| c.try_clone().unwrap()).collect();
    github.after_effect(1, move || {
        thread::sleep(Duration::from_millis(100));
        others.iter().for_each(|c| c.shutdown(std::net::Shutdown::Both).unwrap());
    });
    for connection in &mut connections {
        connection.write_all(post.as_bytes()).unwrap();
    }
    let mut rest = Vec::new();
    connections.iter_mut().for_each(|c| drop(c.read_to_end(&mut rest)));
    thread::sleep(Duration::from_millis(100));
    assert_eq!(github.world(|world| (world.dispatches().len(), world.request_count())), (1, 1));
}

#[test]
fn a_client_that_gives_up_does_not_undo_what_it_asked() {
    let github = Github::start(world());
    let pause = Duration::from_millis(50);
    github.world(|world| world.faults.once(1, Fault::HangBefore(pause)));
    let mut stream = TcpStream::connect(github.api_url().replace("http://", "")).unwrap();
    let body = json!({"ref": "main", "inputs": {"component": "vpc", "github_environment": "staging"}}).to_string();
    let length = body.len();
    let head = format!(
        "POST {DISPATCH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer token\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    while github.world(|world| world.request_count()) == 0 {
        thread::yield_now();
    }
    drop(stream);
    let made = github.wait_until(Duration::from_secs(5), |world| world.dispatches().first().map(|d| d.run));
    assert!(made.is_some());
}
