// From the OpenAPI 3.0 schemas of GitHub's description to validators.
//
// Each schema is compiled twice at most: "closed" refuses properties that are not declared, "open"
// ignores them. The closed one runs first, and whoever passes it is done.

import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** Keywords that say nothing about whether a value is valid. */
const SILENT = new Set([
  ...["default", "deprecated", "description", "discriminator", "example", "examples", "externalDocs"],
  ...["nullable", "oneOf", "readOnly", "title", "writeOnly", "xml"],
]);

export class Schemas {
  #components;
  #ajv = addFormats(new Ajv2020({ strict: false, allErrors: true, verbose: true, logger: false }));
  #validators = new WeakMap();
  #branches = new WeakMap();
  #added = new Set();

  constructor(components) {
    this.#components = components;
  }

  /** What is wrong with `value`, as `errors`, or, if nothing is, its undeclared properties, as `unknown`. */
  check(schema, value) {
    const { closed, open } = this.#validatorsOf(schema);
    const isExact = closed();
    if (isExact(value)) return { errors: [], unknown: [] };
    const isValid = open();
    if (!isValid(value)) return { errors: this.#explain(isValid.errors), unknown: [] };
    const missed = this.#explain(isExact.errors.flatMap((error) => this.#missedAlternative(error)));
    if (missed.length) return { errors: missed, unknown: [] };
    const unknown = isExact.errors.map(undeclared).filter(Boolean);
    return { errors: [], unknown: [...new Set(unknown.length ? unknown : ["(an undeclared property)"])] };
  }

  /**
   * Alternatives are loose: a reviewer rule with a mistake in it still passes as a wait timer. So a
   * property that only a failing alternative declares tells which one was meant.
   */
  #missedAlternative({ instancePath, params, parentSchema, data }) {
    const name = params.unevaluatedProperty;
    const meant = parentSchema.anyOf?.filter(({ properties = {} }) => name in properties) ?? [];
    if (meant.length === 0) return [];
    const mistakes = this.#nearest({ schema: meant, data }).map((error) => below(instancePath, error));
    return mistakes.filter(({ keyword }) => keyword !== "unevaluatedProperties");
  }

  #validatorsOf(schema) {
    if (!this.#validators.has(schema)) {
      const compile = (mode) => once(() => this.#ajv.compile(this.#convert(schema, mode, true)));
      this.#validators.set(schema, { closed: compile("closed"), open: compile("open") });
    }
    return this.#validators.get(schema);
  }

  /**
   * OpenAPI 3.0 to JSON Schema 2020-12. `oneOf` becomes `anyOf`, because GitHub's alternatives overlap
   * (two nullable ones both match null). `whole` is false for a part of an `allOf` or `anyOf`: which
   * properties are undeclared is for the whole to say.
   */
  #convert(schema, mode, whole) {
    if (schema.$ref) return close({ $ref: this.#component(schema.$ref, mode) }, mode, whole);
    const out = {};
    for (const [key, value] of Object.entries(schema)) {
      if (!SILENT.has(key) && !key.startsWith("x-")) out[key] = this.#keyword(key, value, mode);
    }
    if (schema.oneOf) out.anyOf = schema.oneOf.map((part) => this.#convert(part, mode, false));
    if (isFreeForm(schema)) out.additionalProperties = true;
    return close(schema.nullable ? orNull(out) : out, mode, whole);
  }

  #keyword(key, value, mode) {
    const convert = (schema) => this.#convert(schema, mode, true);
    if (key === "properties" || key === "patternProperties") {
      return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, convert(schema)]));
    }
    if (key === "items" || (key === "additionalProperties" && typeof value === "object")) return convert(value);
    if (key === "allOf" || key === "anyOf") return value.map((part) => this.#convert(part, mode, false));
    if (key === "not") return this.#convert(value, "open", false);
    return value;
  }

  #component(ref, mode) {
    const name = ref.replace("#/components/schemas/", "");
    if (!this.#components[name]) throw new Error(`the description has no ${ref}`);
    const id = `github:${mode}/${name}`;
    if (!this.#added.has(id)) {
      this.#added.add(id);
      this.#ajv.addSchema({ ...this.#convert(this.#components[name], mode, false), $id: id });
    }
    return id;
  }

  /** Ajv tells the errors of all alternatives of an `anyOf`; a reader wants those of the nearest one. */
  #explain(errors) {
    const told = [];
    const rest = [...errors];
    while (rest.length) {
      const error = rest.pop();
      if (error.keyword !== "anyOf") {
        told.push(sentence(error));
        continue;
      }
      while (rest.length && isAtOrBelow(error, rest.at(-1))) rest.pop();
      const nearest = this.#nearest(error);
      told.push(...this.#explain(nearest.map((part) => below(error.instancePath, part))));
    }
    return [...new Set(told.reverse())];
  }

  #nearest({ schema: branches, data }) {
    const attempts = branches.map((branch) => {
      if (!this.#branches.has(branch)) this.#branches.set(branch, this.#ajv.compile(branch));
      const validate = this.#branches.get(branch);
      validate(data);
      return validate.errors ?? [];
    });
    return attempts.reduce((best, errors) => (distance(errors) < distance(best) ? errors : best));
  }
}

const isFreeForm = (schema) =>
  !["properties", "additionalProperties", "allOf", "anyOf", "oneOf"].some((key) => key in schema) &&
  (schema.type ?? "object") === "object";

const close = (schema, mode, whole) => {
  const mayBeObject = ["$ref", "properties", "allOf", "anyOf"].some((key) => key in schema);
  return mode === "closed" && whole && mayBeObject ? { ...schema, unevaluatedProperties: false } : schema;
};

function orNull(schema) {
  if (schema.type) {
    const enumeration = schema.enum && { enum: [...new Set([...schema.enum, null])] };
    return { ...schema, type: [schema.type, "null"].flat(), ...enumeration };
  }
  const composed = ["allOf", "anyOf", "enum"].some((key) => key in schema);
  return composed ? { anyOf: [schema, { type: "null" }] } : schema;
}

const isAtOrBelow = (outer, inner) => `${inner.instancePath}/`.startsWith(`${outer.instancePath}/`);

const below = (instancePath, error) => ({ ...error, instancePath: instancePath + error.instancePath });

/** An alternative of another type, or with another tag, is farther away than one with many mistakes. */
function distance(errors) {
  const weight = ({ keyword, instancePath }) => {
    if (keyword === "type" && instancePath === "") return 1000;
    return keyword === "enum" && instancePath.lastIndexOf("/") === 0 ? 100 : 1;
  };
  return errors.reduce((sum, error) => sum + weight(error), 0);
}

/** `/jobs/3/steps/0/name` is `jobs[].steps[].name`: the same mistake in each item is one mistake. */
function place(instancePath) {
  const path = instancePath.split("/").slice(1);
  const dotted = path.map((part) =>
    /^\d+$/.test(part) ? "[]" : `.${part.replaceAll("~1", "/").replaceAll("~0", "~")}`,
  );
  return dotted.join("").replace(/^\./, "");
}

function sentence({ keyword, instancePath, message, params }) {
  const at = place(instancePath);
  const detail = keyword === "enum" ? `: ${params.allowedValues.join(", ")}` : "";
  const extra = params.additionalProperty ? `: ${params.additionalProperty}` : "";
  return `${at ? `${at} ` : ""}${message}${detail}${extra}`;
}

function undeclared({ instancePath, params }) {
  const name = params.unevaluatedProperty ?? params.additionalProperty;
  return name && [place(instancePath), name].filter(Boolean).join(".");
}

function once(make) {
  let made;
  return () => (made ??= make());
}
