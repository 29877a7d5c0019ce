/**
 * Reads a JSON value by a JSON Schema, as mer_sdk.contract.codec reads it by the dataclasses that the schema comes from: the
 * same values are refused, in the same words. Only the words of the schema that those dataclasses imply are known here. A
 * library for all of JSON Schema makes code as it runs, which a strict content policy forbids.
 */
export interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: false | Schema;
  maxProperties?: number;
  items?: Schema;
  prefixItems?: Schema[];
  maxItems?: number;
  anyOf?: Schema[];
  enum?: string[];
  maxLength?: number;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  default?: unknown;
}

type JsonObject = Record<string, unknown>;

/**
 * The value with the schema's defaults where a field is missing.
 *
 * @param lenient leave out fields that the schema does not know, at any depth, instead of refusing them.
 * @throws Error a field is missing, unknown, of another type, or outside its limits; the message carries its path.
 */
export function readBy(schema: Schema, value: unknown, path: string, lenient: boolean): unknown {
  if (schema.anyOf) {
    const nullable = schema.anyOf.some((one) => one.type === "null");
    if (value === null && nullable) return null;
    return readBy(schema.anyOf.find((one) => one.type !== "null")!, value, path, lenient);
  }
  if (schema.type === "object") return readObject(schema, value, path, lenient);
  if (schema.type === "array") return readArray(schema, value, path, lenient);
  if (schema.type) checkScalar(schema, value, path);
  return value;
}

/** A value of a file as a message shows it: what it is, never pages of it. */
export function shown(value: unknown): string {
  if (value !== null && typeof value === "object") return Array.isArray(value) ? "an array" : "an object";
  const text = typeof value === "string" ? quoted(value) : String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function quoted(text: string): string {
  const visible = text.slice(0, 60).replace(/[^ -~]|[\\']/g, (one) => {
    if (one === "\\" || one === "'") return `\\${one}`;
    return `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `'${visible}'`;
}

function readObject(schema: Schema, value: unknown, path: string, lenient: boolean): JsonObject {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Error(`${path}: an object is expected, found ${shown(value)}`);
  }
  const given = value as JsonObject;
  // Without a prototype, so that no name of a file is one of the language's own, such as "constructor".
  const found: JsonObject = Object.create(null);
  if (!schema.properties) {
    const names = Object.keys(given);
    checkCount(names.length, path, schema.maxProperties);
    const each = schema.additionalProperties || {};
    for (const name of names) found[name] = readBy(each, given[name], `${path}.${name}`, lenient);
    return found;
  }
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(schema.properties!, name)).sort();
  if (unknown.length && !lenient) throw new Error(`${path}: unknown field ${shown(unknown[0])}`);
  for (const [name, one] of Object.entries(schema.properties)) {
    if (Object.hasOwn(given, name)) found[name] = readBy(one, given[name], `${path}.${name}`, lenient);
    else if (schema.required?.includes(name)) throw new Error(`${path}: field '${name}' is missing`);
    else found[name] = structuredClone(one.default);
  }
  return found;
}

function readArray(schema: Schema, value: unknown, path: string, lenient: boolean): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${path}: an array is expected, found ${shown(value)}`);
  const { prefixItems } = schema;
  if (prefixItems && value.length !== prefixItems.length) {
    throw new Error(`${path}: ${prefixItems.length} values are expected, found ${value.length}`);
  }
  checkCount(value.length, path, schema.maxItems);
  return value.map((item, index) => {
    return readBy(prefixItems?.[index] ?? schema.items ?? {}, item, `${path}[${index}]`, lenient);
  });
}

function checkCount(count: number, path: string, most: number | undefined): void {
  if (most !== undefined && count > most) {
    throw new Error(`${path} has ${count} values; allowed are at most ${most}`);
  }
}

function checkScalar(schema: Schema, value: unknown, path: string): void {
  const type = schema.type === "integer" ? "number" : schema.type;
  if (typeof value !== type || (schema.type === "integer" && !Number.isInteger(value) && Number.isFinite(value))) {
    throw new Error(`${path}: ${schema.type} is expected, found ${shown(value)}`);
  }
  if (typeof value === "number") checkNumber(schema, value, path);
  if (typeof value === "string") checkString(schema, value, path);
}

function checkNumber({ minimum = -Infinity, maximum = Infinity }: Schema, value: number, path: string): void {
  if (!(minimum <= value && value <= maximum)) {
    throw new Error(`${path} is ${shown(value)}; allowed are ${minimum} to ${maximum}`);
  }
}

function checkString(schema: Schema, value: string, path: string): void {
  if (schema.enum && !schema.enum.includes(value)) {
    throw new Error(`${path} is ${shown(value)}; allowed: ${schema.enum.join(", ")}`);
  }
  // In characters, as Python counts them, and no more of a long text than is needed to know.
  const { maxLength = Infinity } = schema;
  if (value.length > maxLength && (value.length > 2 * maxLength || [...value].length > maxLength)) {
    throw new Error(`${path} has ${value.length} characters; allowed are at most ${maxLength}`);
  }
  if (schema.pattern && !new RegExp(schema.pattern).test(value)) {
    throw new Error(`${path} is ${shown(value)}, which is not of the form ${schema.pattern}`);
  }
}
