//! Where requests come in: token, limits, permission, the endpoint itself, ETag, faults, the record.

use serde_json::Value;

use crate::clock::{http_date, millis};
use crate::faults::{Fault, RequestInfo};
use crate::limits::Limits;
use crate::record::{Exchange, Record};
use crate::routes::{Call, ROUTES, Route, route};
use crate::wire::{Answer, Request, digest};
use crate::world::{Server, World};

/// A request that has been given its number, and what will go wrong with it.
#[derive(Debug)]
pub struct Arrival {
    pub info: RequestInfo,
    pub fault: Option<Fault>,
    route: Option<&'static Route>,
    values: Vec<String>,
}

const BAD_GATEWAY: &str = "<!DOCTYPE html>\n<html>\n<head><title>Unicorn! &middot; GitHub</title></head>\n\
    <body><p><strong>We had issues producing the response to your request.</strong></p></body>\n</html>\n";

impl World {
    /// Asks without any socket; faults that spoil a connection have no answer. For tests of this crate and for
    /// programs that carry the world in themselves.
    pub fn ask(&mut self, request: Request) -> Option<Answer> {
        let arrival = self.arrive(request);
        let answer = self.answer(&arrival);
        let spoilt = matches!(arrival.fault, Some(Fault::ResetBefore | Fault::ResetAfter | Fault::Truncated));
        (!spoilt).then_some(answer)
    }

    /// Gives a request its number. Nothing has happened yet.
    pub fn arrive(&mut self, mut request: Request) -> Arrival {
        self.advance();
        self.requests += 1;
        request.path = self.canonical_path(&request.path);
        let (route, values) = route(&request.method, &request.path).unzip();
        let template = route.map(|r| r.template);
        let info = RequestInfo { number: self.requests, route: template, request };
        let mut watchers = std::mem::take(&mut self.watchers);
        for watcher in &mut watchers {
            watcher(self, &info);
        }
        watchers.append(&mut self.watchers);
        self.watchers = watchers;
        let fault = self.faults.strike(&info);
        Arrival { info, fault, route, values: values.unwrap_or_default() }
    }

    /// Does what was asked, unless a fault prevents it, and says what GitHub says.
    pub fn answer(&mut self, arrival: &Arrival) -> Answer {
        self.advance();
        let request = &arrival.info.request;
        let prevented = self.prevented(arrival);
        let answer = match &prevented {
            Some(answer) => answer.clone(),
            None => self.guarded(arrival),
        };
        let answer = match arrival.fault {
            Some(Fault::EffectThen502) => bad_gateway(),
            Some(Fault::Stale(age)) => self.earlier(request, millis(age)).unwrap_or(answer),
            Some(Fault::Reordered) => reversed(answer),
            Some(Fault::Halved) => halved(answer),
            Some(Fault::Empty) => Answer { body: String::new(), ..answer },
            Some(Fault::Without(fields)) => without(answer, fields),
            _ => answer,
        };
        let answer = if prevented.is_some() { answer } else { conditional(request, answer) };
        let free = answer.status == 304 || arrival.info.route == Some("/rate_limit") || answer.status >= 500;
        let template = arrival.info.route.unwrap_or("unknown");
        self.limits.note(&request.method, template, !free && prevented.is_none());
        let answer = self.finish(arrival, answer);
        self.note_exchange(arrival, &answer);
        answer
    }

    /// `/repositories/{id}/…`, as in GitHub's own links, is the same as `/repos/{owner}/{repo}/…`.
    fn canonical_path(&self, path: &str) -> String {
        let prefix = format!("/repositories/{}", self.repository.id);
        match path.strip_prefix(&prefix) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                format!("/repos/{}{rest}", self.full_name())
            }
            _ => path.to_owned(),
        }
    }

    fn prevented(&self, arrival: &Arrival) -> Option<Answer> {
        match arrival.fault.as_ref()? {
            Fault::Status(status, body) => Some(Answer::json(*status, body)),
            Fault::Html502 | Fault::ResetBefore => Some(bad_gateway()),
            Fault::NotFound => Some(Answer::not_found()),
            Fault::Page => Some(Answer::text(200, "text/html; charset=utf-8", BAD_GATEWAY)),
            Fault::NotModified => Some(Answer::empty(304)),
            Fault::SecondaryLimit { retry_after, status } => {
                let message =
                    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
                let answer = Answer::error(*status, message, "/overview/rate-limits-for-the-rest-api");
                let wait = retry_after.map(|seconds| seconds.to_string());
                Some(wait.map_or(answer.clone(), |seconds| answer.with("retry-after", seconds)))
            }
            _ => None,
        }
    }

    /// Token, limit, permission, repository; then the endpoint.
    fn guarded(&mut self, arrival: &Arrival) -> Answer {
        let request = &arrival.info.request;
        let token = request.header("authorization").and_then(|a| a.split_once(' ')).map(|(_, token)| token);
        if !token.is_some_and(|token| self.tokens.contains(token)) {
            return Answer::error(401, "Bad credentials", "");
        }
        let now = self.now();
        self.limits.begin_window(now);
        if self.limits.remaining() == 0 && arrival.info.route != Some("/rate_limit") {
            return Limits::exceeded();
        }
        let Some(route) = arrival.route else {
            self.violations.push(format!("not served: {} {}", request.method, request.path));
            return Answer::not_found();
        };
        let values = arrival.values.as_slice();
        if let [owner, repo, ..] = values {
            let named = format!("{owner}/{repo}");
            if route.template.starts_with("/repos/") && !named.eq_ignore_ascii_case(&self.full_name()) {
                return Answer::not_found();
            }
        }
        if !self.permits(route.needs) {
            return Answer::error(403, "Resource not accessible by integration", route.documentation)
                .with("x-accepted-github-permissions", route.needs);
        }
        let values = if route.template.starts_with("/repos/") { &values[2..] } else { values };
        let hidden = match arrival.fault {
            Some(Fault::HideRun(time)) => millis(time),
            _ => 0,
        };
        let repeats = matches!(arrival.fault, Some(Fault::RepeatedPage));
        let answer = (route.serve)(self, &Call { request, values, hidden, repeats });
        answer.with("x-accepted-github-permissions", route.needs)
    }

    /// Whether the token has what an endpoint needs: alternatives apart by `;`.
    fn permits(&self, needs: &str) -> bool {
        let has = |need: &str| {
            let (scope, level) = need.trim().split_once('=').unwrap_or((need, "read"));
            let own = self.permissions.iter().find(|(k, _)| k.replace('-', "_") == scope).map(|(_, v)| v.as_str());
            scope == "metadata" || own == Some("write") || (own == Some("read") && level == "read")
        };
        needs.is_empty() || needs.split(';').any(|all| all.split(',').all(has))
    }

    /// The newest answer to the same question that is at least so old; else the oldest there is.
    fn earlier(&self, request: &Request, age: i64) -> Option<Answer> {
        let latest = self.now() - age;
        let same = |e: &&Exchange| {
            e.method == request.method && e.path == request.path && e.query == request.query && e.status == 200
        };
        let mut known = self.exchanges.iter().filter(same);
        let oldest = known.clone().next()?;
        let old = known.rfind(|e| e.at <= latest).unwrap_or(oldest);
        let kind = old.response_headers.get("content-type").map_or("", String::as_str);
        let mut answer = Answer::text(200, kind, old.response_body.clone());
        if let Some(link) = old.response_headers.get("link") {
            answer = answer.with("link", link.clone());
        }
        Some(answer)
    }

    /// A version that behaves as this world's server does.
    fn enterprise_version(&self) -> Option<&'static str> {
        (self.enterprise && self.names_version).then_some(self.installed_version())
    }

    /// As `GET /meta` tells it.
    pub(crate) fn installed_version(&self) -> &'static str {
        match self.server {
            Server::Modern => "3.21.0",
            Server::Refuses => "3.19.0",
            Server::Ignores => "3.16.0",
        }
    }

    /// The headers that are on every answer of the API; the load balancer's page has none of them.
    fn finish(&mut self, arrival: &Arrival, answer: Answer) -> Answer {
        let id = digest(&arrival.info.number.to_string());
        let answer = answer.with("date", http_date(self.now())).with("server", "github.com");
        if answer.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            return answer;
        }
        let answer = match self.enterprise_version() {
            Some(version) => answer.with("x-github-enterprise-version", version),
            None => answer,
        };
        let answer = answer
            .with("x-github-request-id", &id[..16])
            .with("x-github-media-type", "github.v3; format=json")
            .with("x-github-api-version-selected", "2022-11-28")
            .with("vary", "Accept, Authorization, Cookie, Accept-Encoding, X-Requested-With");
        self.limits.stamp(answer)
    }

    fn note_exchange(&mut self, arrival: &Arrival, answer: &Answer) {
        let RequestInfo { number, route, request } = arrival.info.clone();
        let mut request_headers = request.headers.clone();
        request_headers.remove("authorization");
        let exchange = Exchange {
            number,
            at: self.now(),
            route,
            request_body: String::from_utf8_lossy(&request.body).into_owned(),
            method: request.method,
            path: request.path,
            query: request.query,
            request_headers,
            status: answer.status,
            response_headers: answer.headers.clone(),
            response_body: answer.body.clone(),
            fault: arrival.fault.as_ref().map(Fault::name),
        };
        self.record.write(&exchange);
        self.exchanges.push(exchange);
    }

    /// Sees every request before it has any effect, with its number; may change the world.
    pub fn on_request(&mut self, watcher: impl FnMut(&mut World, &RequestInfo) + Send + 'static) {
        self.watchers.push(Box::new(watcher));
    }

    /// Keeps what is asked from now on out of the recorded files: for tests that ask wrongly on purpose.
    pub fn off_the_record(&mut self) {
        self.record = Record::default();
    }

    /// The path templates this GitHub serves, with their methods.
    pub fn served() -> Vec<(&'static str, &'static str)> {
        ROUTES.iter().map(|route| (route.method, route.template)).collect()
    }
}

fn bad_gateway() -> Answer {
    Answer::text(502, "text/html; charset=utf-8", BAD_GATEWAY)
}

/// 304 where the client knows this very body. Only GET has ETags.
fn conditional(request: &Request, answer: Answer) -> Answer {
    if request.method != "GET" || answer.status != 200 {
        return answer;
    }
    let etag = answer.etag();
    let answer = answer.with("etag", &etag).with("cache-control", "private, max-age=60, s-maxage=60");
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = request.header("if-none-match").unwrap_or_default();
    if known.split(',').any(|tag| weak(tag) == weak(&etag)) {
        let Answer { mut headers, .. } = answer;
        headers.remove("content-type");
        return Answer { status: 304, headers, body: String::new() };
    }
    answer
}

fn halved(answer: Answer) -> Answer {
    let half = answer.body.chars().take(answer.body.chars().count() / 2).collect();
    Answer { body: half, ..answer }
}

fn without(answer: Answer, fields: &[&str]) -> Answer {
    fn strip(value: &mut Value, fields: &[&str]) {
        match value {
            Value::Object(map) => {
                map.retain(|name, _| !fields.contains(&name.as_str()));
                map.values_mut().for_each(|value| strip(value, fields));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| strip(value, fields)),
            _ => {}
        }
    }
    let Ok(mut body) = serde_json::from_str(&answer.body) else {
        return answer;
    };
    strip(&mut body, fields);
    Answer { body: body.to_string(), ..answer }
}

fn reversed(answer: Answer) -> Answer {
    let mut body = answer.value();
    let list = match &mut body {
        Value::Object(map) => map.values_mut().find_map(Value::as_array_mut),
        other => other.as_array_mut(),
    };
    if let Some(list) = list {
        list.reverse();
    }
    Answer { body: body.to_string(), ..answer }
}
