//! GitHub's answers, through real HTTP: status, headers and body of whatever is asked next.
//!
//! An input is a letter for what is asked, a letter for the status, header lines, an empty line, and the
//! body. After a few requests the server has had enough and answers 404, so that nothing asks for ever.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use deployment_approvals::{
    context::Context,
    github::{Dispatched, Fresh, Github, Patience, Trouble},
    inputs::Inputs,
    plan::Planned,
    rollout::{Deployment, Progress, Rollout},
    run::{Gate, Job, Review, RunFacts, Sighting, Time},
    tempo::Tempo,
    verdict,
};
use tokio::runtime::{Builder, Runtime};

use super::{door::subject, memory, told};

const STATUSES: [u16; 16] = [200, 200, 200, 201, 204, 304, 400, 401, 403, 403, 404, 410, 422, 429, 500, 502];
const HEADERS: [&str; 10] = [
    "date",
    "etag",
    "link",
    "retry-after",
    "x-accepted-github-permissions",
    "x-github-enterprise-version",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-resource",
];
/// Requests of one input that are answered as it says.
const MOST: u32 = 4;

#[derive(Debug, Default)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
    left: u32,
}

/// A client and the server it asks. One pair for each thread that runs the target.
struct Line {
    github: Github,
    answer: Arc<Mutex<Answer>>,
    runtime: Runtime,
}

/// All of it.
pub fn answers(bytes: &[u8]) {
    let [asked, status, rest @ ..] = bytes else { return };
    static LINE: OnceLock<Mutex<Line>> = OnceLock::new();
    let line = LINE.get_or_init(|| Mutex::new(connect())).lock().expect("a line");
    *line.answer.lock().expect("an answer") = answer(*status, rest);
    // Long enough for this machine to answer, and an end to whatever GitHub asks to wait.
    let github = line.github.with_patience(Patience::only(Duration::from_millis(200)));
    line.runtime.block_on(async { ask(&github, *asked).await });
}

fn answer(status: u8, rest: &[u8]) -> Answer {
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let (mut head, mut body) = (String::new(), rest);
    while let Some(end) = body.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = body.split_at(end);
        body = &behind[1..];
        let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(": ")) else {
            break;
        };
        let value: String = value.chars().filter(|letter| matches!(letter, ' '..='~')).collect();
        if HEADERS.contains(&name) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let body = if matches!(status, 204 | 304) { Vec::new() } else { body.to_vec() };
    Answer { status, head, body, left: MOST }
}

async fn ask(github: &Github, asked: u8) {
    let now = Time::UNIX_EPOCH;
    match asked % 18 {
        0 => {
            if let Some(Fresh::New { value: (runs, _), .. }) =
                kept(github.runs(Some("apply.yml"), 1, Some("\"e\"")).await)
            {
                runs.into_iter().for_each(|run| seen(Sighting { gates: None, reviews: None, jobs: None, run }));
            }
        }
        1 => drop(kept(github.run(7).await).map(|run| seen(Sighting { gates: None, reviews: None, jobs: None, run }))),
        2 => drop(kept(github.gates(7).await).map(|gates| seen(held(gates)))),
        3 => drop(kept(github.reviews(7, now).await).map(|reviews| seen(ended(Some(reviews), None)))),
        4 => drop(kept(github.jobs(7).await).map(|jobs| seen(ended(None, Some(jobs))))),
        5 => drop(kept(github.attempt(7, 1).await)),
        6 => drop(kept(github.environments().await)),
        7 => drop(kept(github.custom_rules("prod / eu").await)),
        8 => drop(kept(github.branch_patterns("prod").await)),
        9 => drop(kept(github.pull(42).await)),
        10 => drop(kept(github.changed_files(42).await)),
        11 => drop(kept(github.pulls_of("c0ffee").await)),
        12 => drop(kept(github.viewer().await)),
        13 => drop(kept(github.comments(42).await).map(|comments| {
            comments.iter().for_each(|comment| memory::comment(comment.body.as_bytes()));
        })),
        14 => drop(kept(github.recent_comments(now, 2).await)),
        15 => drop(kept(github.workflow("apply.yml").await)),
        16 => drop(kept(github.file(".github/workflows/apply.yml", "main").await)),
        _ => match github.dispatch("apply.yml", "main", &Default::default()).await {
            Dispatched::Refused(why) | Dispatched::Unknown(why) => told([&why]),
            Dispatched::Forbidden(trouble) | Dispatched::Unsent(trouble) => told([&trouble.to_string()]),
            Dispatched::Run(_) | Dispatched::Unnamed => {}
        },
    }
    // Whatever the headers said, the clock can be read and the budget reckoned with.
    let _ = (github.now(), github.budget(), github.names_runs());
}

fn kept<T>(answer: Result<T, Trouble>) -> Option<T> {
    answer.map_err(|trouble| told([&trouble.to_string()])).ok()
}

fn facts(status: &str, conclusion: Option<&str>) -> RunFacts {
    RunFacts {
        id: 7,
        attempt: 1,
        status: status.to_owned(),
        conclusion: conclusion.map(str::to_owned),
        title: String::new(),
        path: String::new(),
        event: "workflow_dispatch".to_owned(),
        created_at: Time::UNIX_EPOCH,
        began_at: Time::UNIX_EPOCH,
        updated_at: Time::UNIX_EPOCH,
    }
}

fn held(gates: Vec<Gate>) -> Sighting {
    Sighting { run: facts("waiting", None), gates: Some(gates), reviews: None, jobs: None }
}

fn ended(reviews: Option<Vec<Review>>, jobs: Option<Vec<Job>>) -> Sighting {
    Sighting { run: facts("completed", Some("failure")), gates: None, reviews, jobs }
}

/// What a look tells is judged, shown and remembered.
fn seen(mut sighting: Sighting) {
    let mut deployment = Deployment::new(Planned { environment: "prod".to_owned(), ..Planned::default() });
    let _ = verdict::details(&deployment, &sighting.run, false);
    verdict::apply(&mut deployment, &sighting, Time::UNIX_EPOCH);
    let success = sighting.run.completed() && sighting.run.conclusion.as_deref() == Some("success");
    let succeeded =
        matches!(deployment.progress, Progress::Ended { end: deployment_approvals::rollout::End::Succeeded, .. });
    assert_eq!(succeeded, success, "only `success` succeeds: {sighting:?}");
    sighting.run.attempt = sighting.run.attempt.saturating_add(1);
    verdict::apply(&mut deployment, &sighting, Time::UNIX_EPOCH);
    // The memory keeps whole seconds, and gates are asked for anew.
    deployment.gates.clear();
    whole_seconds(&mut deployment);
    memory::remembered(Rollout { subject: subject(), started_at: Time::UNIX_EPOCH, deployments: vec![deployment] });
}

fn whole_seconds(deployment: &mut Deployment) {
    let whole = |time: &mut Time| *time = Time::from_timestamp(time.timestamp(), 0).expect("a time");
    let times = [&mut deployment.started_at, &mut deployment.waiting_since, &mut deployment.running_since];
    times.into_iter().flatten().for_each(whole);
    if let Progress::Ended { at, run, .. } = &mut deployment.progress {
        whole(at);
        // The phase of a run that has ended says nothing.
        run.iter_mut().for_each(|run| run.phase = deployment_approvals::rollout::Phase::Running);
    }
}

fn connect() -> Line {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::<Mutex<Answer>>::default();
    let served = Arc::clone(&answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let served = Arc::clone(&served);
            thread::spawn(move || drop(serve(stream, &served)));
        }
    });
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let variables = [
        variable("INPUT_TOKEN", "token"),
        variable("GITHUB_API_URL", &format!("http://{address}")),
        variable("GITHUB_REPOSITORY", "acme/infra"),
        variable("GITHUB_EVENT_NAME", "push"),
        variable("GITHUB_EVENT_PATH", "event.json"),
        variable("GITHUB_RUN_ID", "7"),
    ];
    let inputs = Inputs::read(&variables).expect("inputs");
    let context = Context::read(&variables).expect("variables");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    // A million times faster than real: pauses are gone, and the time for one request is one second.
    let tempo = Tempo::hurried(1_000_000);
    let patience = Patience::only(Duration::from_secs(1));
    let github = runtime.block_on(async { Github::new(&context, &inputs, tempo, patience) }).expect("a client");
    Line { github, answer, runtime }
}

/// Answers one request after another on a connection.
fn serve(stream: TcpStream, answer: &Mutex<Answer>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.by_ref().take(length).read_to_end(&mut Vec::new())?;
        let reply = {
            let mut answer = answer.lock().expect("an answer");
            answer.left = answer.left.saturating_sub(1);
            let enough = Answer { status: 404, ..Answer::default() };
            let said = if answer.left == 0 { &enough } else { &*answer };
            let length = match said.status {
                204 | 304 => String::new(),
                _ => format!("content-length: {}\r\n", said.body.len()),
            };
            let mut reply = format!("HTTP/1.1 {} x\r\n{}{length}\r\n", said.status, said.head).into_bytes();
            reply.extend_from_slice(&said.body);
            reply
        };
        writer.write_all(&reply)?;
    }
}
