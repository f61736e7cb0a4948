// The check must be able to fail: each test takes an exchange that passes and spoils one thing in it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { describe } from "node:test";
import { fileURLToPath } from "node:url";
import { Check, github } from "./check.mjs";

const GITHUB = github();
const JSON_TYPE = { "Content-Type": "application/json; charset=utf-8" };
const REPOSITORY = "/repos/octo/infra";
const TEMPLATE = "/repos/{owner}/{repo}";

const exchange = (more) => ({
  ...{ method: "GET", route: null, query: {}, request_headers: { "user-agent": "test" }, request_body: null },
  ...{ status: 200, response_headers: JSON_TYPE, response_body: null, fault: null, ...more },
});

const dispatch = (more) =>
  exchange({
    method: "POST",
    path: `${REPOSITORY}/actions/workflows/apply.yml/dispatches`,
    route: `${TEMPLATE}/actions/workflows/{workflow_id}/dispatches`,
    request_body: { ref: "main", inputs: { component: "vpc" }, return_run_details: true },
    response_body: {
      workflow_run_id: 7,
      run_url: "https://api.github.com/repos/octo/infra/actions/runs/7",
      html_url: "https://github.com/octo/infra/actions/runs/7",
    },
    ...more,
  });

const runs = (more) =>
  exchange({ path: `${REPOSITORY}/actions/runs`, response_body: { total_count: 0, workflow_runs: [] }, ...more });

const environment = (more) =>
  exchange({ path: `${REPOSITORY}/environments/prod%2Feu`, response_body: environmentBody({}), ...more });

const environmentBody = (rule) => ({
  id: 1,
  node_id: "E_1",
  name: "prod/eu",
  url: "https://api.github.com/repos/octo/infra/environments/prod%2Feu",
  html_url: "https://github.com/octo/infra/deployments/activity_log?environments_filter=prod%2Feu",
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  protection_rules: [{ id: 2, node_id: "R_2", type: "wait_timer", wait_timer: 30, ...rule }],
  deployment_branch_policy: null,
});

const file = (more) =>
  exchange({
    path: `${REPOSITORY}/contents/.github/deployments.yml`,
    query: "ref=main",
    request_headers: { "User-Agent": "test", Accept: "application/vnd.github.raw+json" },
    response_headers: { "content-type": "application/vnd.github.raw+json; charset=utf-8" },
    response_body: "version: 1\n",
    ...more,
  });

const viewer = (more) =>
  exchange({
    method: "POST",
    path: "/graphql",
    route: "/graphql",
    request_body: { query: "query { me: viewer { login, createdAt } }" },
    response_body: { data: { me: { login: "octocat", createdAt: "2026-01-01T00:00:00Z" } } },
    ...more,
  });

const notFound = (more) =>
  exchange({
    path: `${REPOSITORY}/pulls/1`,
    status: 404,
    response_body: { message: "Not Found", status: "404" },
    ...more,
  });

/** The problems and warnings of the exchanges, without the operation's name. */
function replay(...exchanges) {
  const check = new Check(GITHUB);
  exchanges.forEach((item, index) => check.line(JSON.stringify(item), `test:${index + 1}`));
  const texts = (counts) => [...counts.keys()].map((text) => text.replace(/^(\S+ )?\S+: /, ""));
  return { check, problems: texts(check.problems), warnings: texts(check.warnings) };
}

const passes = (name, ...exchanges) =>
  test(name, () => {
    const { check, problems, warnings } = replay(...exchanges);
    assert.deepEqual([problems, warnings, check.ok], [[], [], true]);
  });

const fails = (name, item, pattern) =>
  test(name, () => {
    const { check, problems } = replay(item);
    assert.match(problems.join("\n"), pattern);
    assert.equal(check.ok, false);
  });

describe("what GitHub would say passes", () => {
  passes("a dispatch with run details", dispatch());
  passes("a dispatch without, on a server that answers 204", dispatch({ status: 204, response_body: null }));
  passes("the prefix of Enterprise Server", runs({ path: `/api/v3${REPOSITORY}/actions/runs` }));
  passes("a query as text, with a range of dates", runs({ query: "per_page=100&created=%3E%3D2026-01-01T00:00:00Z" }));
  passes("a query as an object", runs({ query: { per_page: 100, event: "push", exclude_pull_requests: "true" } }));
  passes("an environment's name with a slash", environment());
  passes("a raw file below folders", file());
  passes("not modified", runs({ status: 304, request_headers: { "If-None-Match": '"a"' }, response_body: null }));
  passes(
    "a refusal that is possible anywhere",
    notFound(),
    runs({ status: 401, response_body: { message: "Bad credentials" } }),
  );
  passes(
    "a gateway's page of HTML",
    runs({ status: 502, response_headers: { "content-type": "text/html" }, response_body: "<h1>" }),
  );
  passes("a GraphQL query with an alias", viewer(), viewer({ path: "/api/graphql", route: "/api/graphql" }));
  passes("a GraphQL error", viewer({ response_body: { data: null, errors: [{ message: "no", type: "FORBIDDEN" }] } }));
});

describe("a request that GitHub would not take fails", () => {
  fails("an unknown path", runs({ path: `${REPOSITORY}/actions/run` }), /no such operation/);
  fails("an unknown method", runs({ method: "PUT" }), /no such operation/);
  fails(
    "another route than recorded",
    runs({ route: `${TEMPLATE}/actions/runs/{run_id}` }),
    /not the one the path belongs to/,
  );
  fails(
    "a path parameter of the wrong type",
    notFound({ path: `${REPOSITORY}/pulls/one` }),
    /path parameter pull_number must be integer/,
  );
  fails("an undeclared query parameter", runs({ query: { size: "9" } }), /query parameter size is not declared/);
  fails(
    "a query parameter out of range",
    runs({ query: { per_page: 101 } }),
    /query parameter per_page must be <= 100/,
  );
  fails(
    "a query parameter outside its enumeration",
    runs({ query: "status=done" }),
    /query parameter status must be equal to one/,
  );
  fails("a query parameter given twice", runs({ query: "page=1&page=2" }), /query parameter page is given twice/);
  fails(
    "an undeclared property in the body",
    dispatch({ request_body: { ref: "main", reff: 1 } }),
    /request: undeclared property reff/,
  );
  fails(
    "a missing property in the body",
    dispatch({ request_body: { inputs: {} } }),
    /request: must have required property 'ref'/,
  );
  fails(
    "a property of the wrong type in the body",
    dispatch({ request_body: { ref: 1 } }),
    /request: ref must be string/,
  );
  fails("no body where one is needed", dispatch({ request_body: null }), /the request has no body/);
  fails("a body where none is declared", runs({ request_body: {} }), /the request has a body/);
  fails("a body that is no JSON", dispatch({ request_body: "ref=main" }), /body is not JSON/);
});

describe("a response that GitHub would not give fails", () => {
  fails("an undeclared status", dispatch({ status: 201 }), /response 201: the status is not declared/);
  fails("a missing property", dispatch({ response_body: { workflow_run_id: 7 } }), /required property 'run_url'/);
  fails(
    "a wrong type",
    runs({ response_body: { total_count: "0", workflow_runs: [] } }),
    /total_count must be integer/,
  );
  fails(
    "a mistake in a list",
    runs({ response_body: { total_count: 1, workflow_runs: [{}] } }),
    /workflow_runs\[\] must have required property 'id'/,
  );
  fails("a missing body", runs({ response_body: null }), /the body is missing/);
  fails("a body with 204", dispatch({ status: 204 }), /response 204: has a body/);
  fails("304 without a condition", runs({ status: 304, response_body: null }), /no condition/);
  fails("an error without a message", notFound({ response_body: {} }), /an error without a message/);
  fails("an error as plain text", notFound({ response_body: "Not Found" }), /an error without a JSON body/);
  fails(
    "an error that contradicts its status",
    notFound({ response_body: { message: "no", status: "403" } }),
    /the body's status/,
  );
  fails(
    "raw though nobody asked",
    file({ request_headers: { accept: "application/json" } }),
    /is raw, which was not asked for/,
  );
  fails("raw that was parsed", file({ response_body: { version: 1 } }), /must be recorded as a string/);
  fails(
    "another content type",
    runs({ response_headers: { "content-type": "text/plain" } }),
    /no body of type text\/plain/,
  );
  fails(
    "null where null is not allowed",
    environment({ response_body: { ...environmentBody({}), url: null } }),
    /url must be string/,
  );
  fails(
    "a date without a zone",
    environment({ response_body: { ...environmentBody({}), created_at: "2026-01-01" } }),
    /created_at must match format/,
  );
  fails(
    "a mistake in one of several alternatives",
    environment({
      response_body: environmentBody({ type: "required_reviewers", prevent_self_review: 1, reviewers: [] }),
    }),
    /protection_rules\[\]\.prevent_self_review must be boolean/,
  );

  test("an undeclared property is only a warning", () => {
    const { check, problems, warnings } = replay(
      environment({ response_body: { ...environmentBody({}), colour: "red" } }),
    );
    assert.deepEqual([problems, warnings], [[], ["response 200: undeclared property colour"]]);
    assert.equal(check.ok, true);
  });
});

describe("GraphQL that does not fit the schema fails", () => {
  const answer = (data) => viewer({ response_body: { data } });
  const me = { login: "octocat", createdAt: "2026-01-01T00:00:00Z" };
  fails(
    "an unknown field",
    viewer({ request_body: { query: "{ viewer { logins } }" } }),
    /Cannot query field "logins"/,
  );
  fails("a syntax error", viewer({ request_body: { query: "{ viewer {" } }), /Syntax Error/);
  fails(
    "a variable of the wrong type",
    viewer({
      request_body: {
        query: "query ($n: Int!) { viewer { issues(first: $n) { totalCount } } }",
        variables: { n: "x" },
      },
    }),
    /cannot represent non-integer/,
  );
  fails("a key that is missing", answer({ me: { login: "octocat" } }), /data\.me\.createdAt: Cannot return null/);
  fails("a key nobody asked for", answer({ me: { ...me, id: "1" } }), /not exactly the keys/);
  fails("a value of the wrong type", answer({ me: { ...me, createdAt: 5 } }), /5 is not a DateTime/);
  fails("neither data nor errors", viewer({ response_body: {} }), /neither data nor errors/);

  test("an interface is resolved without its type's name", () => {
    const query = `{ node(id: "1") { id ... on PullRequest { number } } }`;
    const checked = (data) =>
      GITHUB.graphql.check(viewer({ request_body: { query }, response_body: { data } })).problems;
    assert.deepEqual(checked({ node: { id: "1", number: 2 } }), []);
    assert.deepEqual(checked({ node: { id: "1" } }), []);
    assert.deepEqual(checked({ node: null }), []);
    assert.notDeepEqual(checked({ node: { id: "1", number: "two" } }), []);
    assert.notDeepEqual(checked({ node: { id: "1", title: "two" } }), []);
  });
});

describe("the command", () => {
  const command = fileURLToPath(new URL("check.mjs", import.meta.url));

  function run(files) {
    const folder = mkdtempSync(join(tmpdir(), "exchanges-"));
    try {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      return { code: 0, output: execFileSync(process.execPath, [command, folder], { encoding: "utf8" }) };
    } catch (error) {
      return { code: error.status, output: error.stdout };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  const lines = (...exchanges) => exchanges.map((item) => `${JSON.stringify(item)}\n`).join("");

  test("counts operations, and says where a problem was first seen", () => {
    const { code, output } = run({
      "a.jsonl": lines(runs()),
      "b.jsonl": lines(runs(), dispatch({ status: 201 }), dispatch({ status: 201 })),
    });
    assert.equal(code, 1);
    assert.match(output, /GET \/repos\/\{owner\}\/\{repo\}\/actions\/runs +200 × 2\n/);
    assert.match(output, /2 ×, first at .*b\.jsonl:2\n/);
    assert.match(output, /\n2 passed, 2 failed\n$/);
  });

  test("passes over what was spoilt on purpose", () => {
    const { code, output } = run({
      "a.jsonl": lines(runs(), runs({ status: 200, response_body: "{", fault: "truncated" })),
    });
    assert.equal(code, 0);
    assert.match(output, /1 exchanges were spoilt on purpose/);
  });

  test("fails when nothing was checked", () => {
    assert.equal(run({}).code, 1);
    assert.equal(run({ "a.jsonl": lines(runs({ fault: "reset" })) }).code, 1);
  });

  test("fails on a line that is no exchange", () => {
    assert.match(run({ "a.jsonl": `${lines(runs())}{"method":\n` }).output, /no JSON/);
    assert.match(run({ "a.jsonl": `${lines(runs())}{"method": "GET"}\n` }).output, /an exchange without path, status/);
  });

  test("fails when a served endpoint was never seen", () => {
    const routes = JSON.stringify([`GET ${TEMPLATE}/actions/runs`, `GET ${TEMPLATE}/pulls/{pull_number}`]);
    const { code, output } = run({ "a.jsonl": lines(runs()), "routes.json": routes });
    assert.equal(code, 1);
    assert.match(output, /pulls\/\{pull_number\}: is served, but no exchange shows it/);
  });
});
