// One GraphQL exchange against GitHub's published GraphQL schema.

import { isDeepStrictEqual } from "node:util";
import { schema as github } from "@octokit/graphql-schema";
import {
  buildSchema,
  execute,
  getOperationAST,
  getVariableValues,
  isAbstractType,
  isScalarType,
  isSpecifiedScalarType,
  Kind,
  parse,
  validate,
} from "graphql";

export class GraphQl {
  #schema;
  #documents = new Map();

  constructor() {
    this.#schema = buildSchema(github.idl, { assumeValid: true });
    for (const type of Object.values(this.#schema.getTypeMap())) {
      if (isScalarType(type) && !isSpecifiedScalarType(type)) type.serialize = scalar(type.name);
    }
  }

  check({ method, status, request_body: request, response_body: response }) {
    const name = "POST /graphql";
    const result = (...problems) => ({ name, problems, warnings: [] });
    if (method !== "POST") return result(`GraphQL is asked with POST, not ${method}`);
    if (typeof request?.query !== "string") return result("request: has no query");
    const { document, problems } = this.#parse(request.query);
    if (problems.length) return result(...problems);
    const unknown = Object.keys(request).filter((key) => !["query", "variables", "operationName"].includes(key));
    if (unknown.length) return result(...unknown.map((key) => `request: undeclared property ${key}`));
    const variables = this.#variables(document, request);
    if (variables.errors) return result(...variables.errors.map((error) => `request: ${error.message}`));
    return result(...this.#response(document, request, status, response).map((what) => `response ${status}: ${what}`));
  }

  #parse(query) {
    if (!this.#documents.has(query)) this.#documents.set(query, this.#parseAnew(query));
    return this.#documents.get(query);
  }

  #parseAnew(query) {
    try {
      const document = parse(query);
      const problems = validate(this.#schema, document).map((error) => `request: ${error.message}`);
      return { document, problems };
    } catch (error) {
      return { problems: [`request: ${error.message}`] };
    }
  }

  #variables(document, { variables, operationName }) {
    const operation = getOperationAST(document, operationName);
    if (!operation) return { errors: [{ message: "no single operation is named" }] };
    return getVariableValues(this.#schema, operation.variableDefinitions ?? [], variables ?? {});
  }

  #response(document, request, status, response) {
    if (status !== 200)
      return typeof response?.message === "string" || status >= 500 ? [] : ["an error without a message"];
    if (typeof response !== "object" || response === null) return ["the body is not a JSON object"];
    const { data, errors, ...others } = response;
    const undeclared = Object.keys(others).filter((key) => key !== "extensions");
    const problems = undeclared.map((key) => `undeclared property ${key}`);
    if (errors !== undefined) problems.push(...this.#errors(errors));
    if (!data) return errors ? problems : [...problems, "neither data nor errors"];
    return [...problems, ...this.#data(document, request, data, Boolean(errors))];
  }

  #errors(errors) {
    const wellFormed = Array.isArray(errors) && errors.length && errors.every((e) => typeof e?.message === "string");
    return wellFormed ? [] : ["errors must be a list of objects with a message"];
  }

  /** Answers the query from the recorded data itself: what comes out must be what went in. */
  #data(document, { variables, operationName }, data, mayHaveNulls) {
    const answer = execute({
      ...{ schema: this.#schema, document, operationName, rootValue: data, variableValues: variables ?? {} },
      fieldResolver: (source, _arguments, _context, info) => source[info.path.key],
      typeResolver: (value, _context, info, type) => this.#typeOf(value, info, type),
    });
    if (answer.errors && !mayHaveNulls) {
      return answer.errors.map(
        (error) => `data.${error.path?.filter((p) => typeof p === "string").join(".")}: ${error.message}`,
      );
    }
    if (answer.errors || isDeepStrictEqual(plain(answer.data), plain(data))) return [];
    return ["the data has not exactly the keys and types that were asked for"];
  }

  /** The concrete type that the data names, else one for which the query asks for just the data's keys. */
  #typeOf(value, info, type) {
    if (value.__typename) return value.__typename;
    const keys = Object.keys(value);
    const isMeant = (candidate) => {
      const asked = askedOf(
        candidate,
        info.fieldNodes.map((node) => node.selectionSet),
        info,
      );
      return asked.size === keys.length && keys.every((key) => asked.has(key));
    };
    return this.#schema.getPossibleTypes(type).find(isMeant)?.name;
  }
}

/** The keys that selection sets ask of an object of one concrete type. */
function askedOf(type, selectionSets, { schema, fragments }) {
  const keys = new Set();
  const visit = (selection) => {
    if (selection.kind === Kind.FIELD) return void keys.add((selection.alias ?? selection.name).value);
    const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments[selection.name.value] : selection;
    const condition = fragment.typeCondition && schema.getType(fragment.typeCondition.name.value);
    const applies =
      !condition || condition === type || (isAbstractType(condition) && schema.isSubType(condition, type));
    if (applies) fragment.selectionSet.selections.forEach(visit);
  };
  selectionSets.forEach((set) => set.selections.forEach(visit));
  return keys;
}

const plain = (value) => JSON.parse(JSON.stringify(value));

const TEXT = {
  DateTime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  Date: /^\d{4}-\d\d-\d\d$/,
  GitObjectID: /^[0-9a-f]{40}$/,
  URI: /^[a-z][a-z0-9+.-]*:/i,
};

/** All of GitHub's own scalars are written as strings. */
const scalar = (name) => (value) => {
  if (typeof value === "string" && (TEXT[name] ?? /^/).test(value)) return value;
  throw new TypeError(`${JSON.stringify(value)} is not a ${name}`);
};
