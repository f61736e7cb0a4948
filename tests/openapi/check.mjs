// Replays recorded exchanges against GitHub's own description of its API.
//
//   node check.mjs DIR...
//
// reads every *.jsonl file below the folders: one exchange a line,
//   {method, path, route, query, request_headers, request_body,
//    status, response_headers, response_body, fault}
// and, where there is one, routes.json: a list of "METHOD /template" that must all have been seen.
// An exchange with a `fault` was spoilt on purpose and proves nothing, so it is only counted.

import { createReadStream, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { GraphQl } from "./graphql.mjs";
import { Rest } from "./rest.mjs";

const NEEDED = ["method", "path", "status"];

export const github = () => ({
  rest: new Rest(createRequire(import.meta.url)("@octokit/openapi/generated/api.github.com.json")),
  graphql: new GraphQl(),
});

export class Check {
  #github;
  operations = new Map();
  problems = new Map();
  warnings = new Map();
  passed = 0;
  failed = 0;
  faults = 0;

  constructor({ rest, graphql } = github()) {
    this.#github = { rest, graphql };
  }

  async folder(folder) {
    const names = readdirSync(folder, { recursive: true }).sort();
    for (const name of names.filter((name) => name.endsWith(".jsonl"))) await this.file(join(folder, name));
    return names.filter((name) => basename(name) === "routes.json").map((name) => join(folder, name));
  }

  async file(path) {
    let line = 0;
    for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      line += 1;
      if (text.trim()) this.line(text, `${relative(".", path)}:${line}`);
    }
  }

  line(text, at) {
    const exchange = read(text);
    if (exchange.unreadable)
      return this.#record({ name: "(unreadable)", problems: [exchange.unreadable], warnings: [] }, at);
    if (exchange.fault !== null) return void (this.faults += 1);
    const checker = /^(\/api)?\/graphql$/.test(exchange.path) ? this.#github.graphql : this.#github.rest;
    const result = checker.check(exchange);
    const counts = this.operations.get(result.name) ?? new Map();
    counts.set(exchange.status, (counts.get(exchange.status) ?? 0) + 1);
    this.operations.set(result.name, counts);
    this.#record(result, at);
  }

  #record({ name, problems, warnings }, at) {
    if (problems.length) this.failed += 1;
    else this.passed += 1;
    for (const text of problems) count(this.problems, `${name}: ${text}`, at);
    for (const text of warnings) count(this.warnings, `${name}: ${text}`, at);
  }

  /** An endpoint that is served but that no test asks for has not been checked. */
  served(path) {
    for (const route of JSON.parse(readFileSync(path, "utf8"))) {
      if (this.operations.has(route)) continue;
      this.failed += 1;
      count(this.problems, `${route}: is served, but no exchange shows it`, relative(".", path));
    }
  }

  get ok() {
    return this.failed === 0 && this.passed > 0;
  }

  report(print = console.log) {
    const rows = [...this.operations].sort(([a], [b]) => (a < b ? -1 : 1));
    const width = Math.max(0, ...rows.map(([name]) => name.length));
    for (const [name, counts] of rows) print(`${name.padEnd(width)}  ${statuses(counts)}`);
    if (this.faults) print(`${this.faults} exchanges were spoilt on purpose and are not checked`);
    show("Warnings", this.warnings, print);
    show("Problems", this.problems, print);
    if (this.passed + this.failed === 0) print("No exchange was checked: that proves nothing, so it is a failure.");
    print(`\n${this.passed} passed, ${this.failed} failed`);
  }
}

/** A recorded line in the one form that the checkers know. */
function read(text) {
  let exchange;
  try {
    exchange = JSON.parse(text);
  } catch (error) {
    return { unreadable: `no JSON: ${error.message}` };
  }
  const missing = NEEDED.filter((key) => !exchange?.[key]);
  if (missing.length) return { unreadable: `an exchange without ${missing.join(", ")}` };
  const [path, search = ""] = exchange.path.split("?");
  return {
    ...exchange,
    method: exchange.method.toUpperCase(),
    path: withoutPrefix(path),
    route: exchange.route && withoutPrefix(exchange.route),
    query: queryOf(exchange.query || search),
    request_headers: headersOf(exchange.request_headers),
    response_headers: headersOf(exchange.response_headers),
    fault: exchange.fault ?? null,
  };
}

/** GitHub Enterprise Server has the same REST API below this prefix. */
const withoutPrefix = (path) => path.replace(/^\/api\/v3(?=\/)/, "");

function queryOf(query) {
  if (typeof query === "string") return new URLSearchParams(query);
  return new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) => [value].flat().map((v) => [name, String(v)])),
  );
}

const headersOf = (headers) =>
  new Map(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), [value].flat().join(", ")]));

function count(counts, key, at) {
  const known = counts.get(key);
  if (known) known.times += 1;
  else counts.set(key, { times: 1, at });
}

const statuses = (counts) =>
  [...counts]
    .sort(([a], [b]) => a - b)
    .map(([status, times]) => `${status} × ${times}`)
    .join(", ");

function show(title, counts, print) {
  if (counts.size) print(`\n${title}`);
  for (const [text, { times, at }] of counts) print(`  ${text}\n      ${times} ×, first at ${at}`);
}

async function main(folders) {
  if (folders.length === 0) {
    console.error("usage: node check.mjs DIR...");
    return 2;
  }
  const check = new Check();
  const routes = [];
  for (const folder of folders) routes.push(...(await check.folder(folder)));
  for (const path of routes) check.served(path);
  check.report();
  return check.ok ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
