// One REST exchange against GitHub's OpenAPI description.

import { Schemas } from "./schemas.mjs";

/** Statuses that any operation may answer, whether its description lists them or not. */
const ALWAYS_POSSIBLE = [304, 401, 403, 404, 422, 429];

/** `created` takes a date, or a range of dates in search syntax, though it is described as one date-time. */
const DATE = String.raw`\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?`;
const DATE_RANGE = { type: "string", pattern: `^((>=?|<=?)?${DATE}|(\\*|${DATE})\\.\\.(\\*|${DATE}))$` };

export class Rest {
  #description;
  #schemas;
  #operations;
  #found = new Map();

  constructor(description) {
    this.#description = description;
    this.#schemas = new Schemas(description.components.schemas);
    this.#operations = Object.entries(description.paths).flatMap(([template, methods]) =>
      Object.entries(methods).map(([method, operation]) => this.#operation(method.toUpperCase(), template, operation)),
    );
  }

  #operation(method, template, { parameters = [], requestBody, responses }) {
    const resolved = parameters.map((parameter) => this.#resolve(parameter));
    const all = resolved.map((parameter) => ({ ...parameter, schema: parameterSchema(parameter) }));
    const inPath = new Map(all.filter((p) => p.in === "path").map((p) => [p.name, p]));
    const segments = template
      .split("/")
      .slice(1)
      .map((segment) => segmentOf(segment, inPath));
    return {
      name: `${method} ${template}`,
      ...{ method, template, segments, inPath, responses },
      fixed: segments.filter((segment) => segment.rank === 0).length,
      rank: segments.map((segment) => segment.rank).join(""),
      pattern: new RegExp(`^/${segments.map((segment) => segment.pattern).join("/")}$`),
      inQuery: new Map(all.filter((p) => p.in === "query").map((p) => [p.name, p])),
      body: requestBody && this.#resolve(requestBody),
    };
  }

  /** Follows a `$ref` to a shared parameter, request body or response (schemas follow their own). */
  #resolve(item) {
    if (!item?.$ref) return item;
    return item.$ref
      .split("/")
      .slice(1)
      .reduce((node, key) => node[key], this.#description);
  }

  /** The operation whose template fits the path best: the one with the most fixed segments. */
  find(method, path) {
    const key = `${method} ${path}`;
    if (!this.#found.has(key)) {
      const fitting = this.#operations.filter((o) => o.method === method && o.pattern.test(path));
      this.#found.set(key, fitting.sort((a, b) => b.fixed - a.fixed || (a.rank < b.rank ? -1 : 1))[0]);
    }
    return this.#found.get(key);
  }

  check(exchange) {
    const operation = this.find(exchange.method, exchange.path);
    if (!operation) {
      const name = `${exchange.method} ${exchange.route ?? exchange.path}`;
      return { name, problems: ["GitHub's description has no such operation"], warnings: [] };
    }
    const { errors, unknown } = this.#response(operation, exchange);
    const problems = [
      ...this.#route(operation, exchange),
      ...this.#path(operation, exchange),
      ...this.#query(operation, exchange),
      ...this.#requestBody(operation, exchange),
      ...errors.map((error) => `response ${exchange.status}: ${error}`),
    ];
    const warnings = unknown.map((name) => `response ${exchange.status}: undeclared property ${name}`);
    return { name: operation.name, problems, warnings };
  }

  #route(operation, { route }) {
    if (!route || route === operation.template) return [];
    return [`the recorded route ${route} is not the one the path belongs to`];
  }

  #path(operation, { path }) {
    const values = path.match(operation.pattern).slice(1);
    return [...operation.inPath.values()].flatMap((parameter) => {
      const at = operation.segments.filter((segment) => segment.name).findIndex((s) => s.name === parameter.name);
      return this.#parameter(parameter, values[at]);
    });
  }

  #query(operation, { query }) {
    const problems = [];
    for (const name of new Set(query.keys())) {
      const parameter = operation.inQuery.get(name) ?? operation.inQuery.get(`${name}[]`);
      const values = query.getAll(name);
      if (!parameter) problems.push(`query parameter ${name} is not declared`);
      else if (values.length > 1 && parameter.schema.type !== "array")
        problems.push(`query parameter ${name} is given twice`);
      else problems.push(...this.#parameter(parameter, values.join(","), (text) => text));
    }
    for (const { name, required } of operation.inQuery.values()) {
      if (required && !query.has(name)) problems.push(`query parameter ${name} is missing`);
    }
    return problems;
  }

  #parameter({ in: where, name, schema }, raw, decode = decodeURIComponent) {
    const complain = (what) => [`${where} parameter ${name} ${what}`];
    let text;
    try {
      text = decode(raw);
    } catch {
      return complain("is not percent-encoded");
    }
    const attempts = readings(text).map((value) => this.#schemas.check(schema, value).errors);
    if (attempts.some((errors) => errors.length === 0)) return [];
    const errors = attempts.find((list) => !list[0].startsWith("must be integer")) ?? attempts[0];
    return complain(errors[0]);
  }

  #requestBody(operation, { request_body: body }) {
    const content = operation.body?.content?.["application/json"];
    if (isEmpty(body)) return operation.body?.required ? ["the request has no body"] : [];
    if (!content) return operation.body ? [] : ["the request has a body, none is declared"];
    if (typeof body === "string") return ["the request's body is not JSON"];
    const { errors, unknown } = this.#schemas.check(content.schema, body);
    return [...errors, ...unknown.map((name) => `undeclared property ${name}`)].map((what) => `request: ${what}`);
  }

  #response(operation, exchange) {
    const { status, response_body: body } = exchange;
    const declared = this.#resolve(operation.responses[status]);
    if (status === 204 || status === 304) return bodiless(declared, exchange);
    if (!declared && !ALWAYS_POSSIBLE.includes(status) && status < 500) return wrong("the status is not declared");
    if (status >= 400) return this.#refusal(declared, exchange);
    if (isRawFile(operation, exchange)) return raw(exchange);
    const content = contentFor(declared, mediaType(exchange));
    if (!content) return isEmpty(body) ? fine() : wrong(`no body of type ${mediaType(exchange)} is declared`);
    if (isEmpty(body)) return wrong("the body is missing");
    return this.#schemas.check(content.schema, body);
  }

  /** GitHub's errors are JSON with a message; only its gateways (5xx) answer anything else. */
  #refusal(declared, { status, response_body: body, ...exchange }) {
    const isJson = mediaType(exchange).endsWith("json") && typeof body !== "string";
    if (!isJson || isEmpty(body)) return status >= 500 ? fine() : wrong("an error without a JSON body");
    if (typeof body.message !== "string") return wrong("an error without a message");
    if ("status" in body && body.status !== String(status)) return wrong("the body's status is not the response's");
    const { schema } = contentFor(declared, "application/json") ?? {};
    return this.#schemas.check(schema ?? errorSchema(status, body), body);
  }
}

const fine = () => ({ errors: [], unknown: [] });
const wrong = (error) => ({ errors: [error], unknown: [] });
const isEmpty = (body) => body === null || body === undefined || body === "";
const mediaType = ({ response_headers: headers }) =>
  (headers.get("content-type") ?? "application/json").split(";")[0].trim().toLowerCase();

function bodiless(declared, { status, request_headers: sent, response_body: body }) {
  if (!isEmpty(body)) return wrong("has a body");
  if (status === 204) return declared ? fine() : wrong("the status is not declared");
  const conditional = sent.size === 0 || sent.has("if-none-match") || sent.has("if-modified-since");
  return conditional ? fine() : wrong("answers a request that has no condition");
}

/** Of a file `raw` means its bytes; of a comment it means JSON with the raw Markdown. */
const isRawFile = ({ template }, exchange) =>
  template.endsWith("/contents/{path}") && mediaType(exchange).startsWith("application/vnd.github.raw");

function raw({ request_headers: sent, response_body: body }) {
  if (typeof body !== "string") return wrong("a raw body must be recorded as a string");
  const asked = sent.size === 0 || (sent.get("accept") ?? "").includes("raw");
  return asked ? fine() : wrong("is raw, which was not asked for");
}

function contentFor(response, media) {
  const content = response?.content ?? {};
  const isGithubJson = /^application\/vnd\.github(\.v3)?(\.(raw|text|html|full))?\+json$/.test(media);
  return content[media] ?? (isGithubJson ? content["application/json"] : undefined);
}

const BASIC_ERROR = { $ref: "#/components/schemas/basic-error" };
const VALIDATION_ERROR = { $ref: "#/components/schemas/validation-error" };
const VALIDATION_ERROR_SIMPLE = { $ref: "#/components/schemas/validation-error-simple" };

function errorSchema(status, { errors }) {
  if (status !== 422 || !Array.isArray(errors)) return BASIC_ERROR;
  return errors.some((error) => typeof error === "object") ? VALIDATION_ERROR : VALIDATION_ERROR_SIMPLE;
}

function segmentOf(segment, inPath) {
  const [, name] = segment.match(/^\{([^{}]+)\}$/) ?? [];
  if (!name)
    return { rank: segment.includes("{") ? 3 : 0, pattern: segment.replace(/\{[^}]+\}|[.*+?^$()|[\]\\]/g, mixed) };
  const many = inPath.get(name)?.["x-multi-segment"];
  return { name, rank: many ? 2 : 1, pattern: many ? "(.+?)" : "([^/]+)" };
}

const mixed = (part) => (part.startsWith("{") ? "[^/]+" : `\\${part}`);

function parameterSchema({ name, schema, description = "" }) {
  if (name === "created") return DATE_RANGE;
  if (schema.type !== "integer") return schema;
  const [, max] = description.match(/\(max(?:imum)? (\d+)\)/) ?? [];
  const isPaging = name === "page" || name === "per_page";
  return { ...schema, ...(max && { maximum: Number(max) }), ...(isPaging && { minimum: 1 }) };
}

/** What a parameter's text may stand for, the narrowest first. */
function readings(text) {
  const values = [];
  if (/^-?\d+$/.test(text)) values.push(Number(text));
  if (text === "true" || text === "false") values.push(text === "true");
  const parts = text.split(",");
  return [...values, text, parts, parts.map(Number)];
}
