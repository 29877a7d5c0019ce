/**
 * Reads the manifest of a bundle. manifest.schema.json is written from the Python dataclasses (`make schema`) and holds
 * every range.
 */
import { BundleError } from "../errors.js";
import { checkManifest } from "./manifest_checks.js";
import { type Manifest, TARGETS } from "./manifest_fields.js";
import schema from "./manifest.schema.json" with { type: "json" };
import { readBy, type Schema } from "./schema.js";

export const SCHEMA_VERSION: number = schema.properties.schema_version.default;
const SCHEMA_MINOR: number = schema.properties.schema_minor.default;

/**
 * Read and check the text of a manifest.json. Fields that are not there get their defaults.
 *
 * @throws BundleError not JSON, a newer schema, a missing or unknown field, a value outside its limits, a target that no
 *   browser runs, or values that contradict one another.
 */
export function readManifest(text: string): Manifest {
  const data = parsed(text);
  const version = data?.schema_version;
  if (typeof version !== "number" || !Number.isInteger(version)) {
    throw new BundleError("manifest.json has no schema_version; is this folder a bundle made by mer-convert?");
  }
  if (version > SCHEMA_VERSION) {
    throw new BundleError(
      `the bundle has a newer manifest schema than ${SCHEMA_VERSION}, which this page reads: take a newer ` +
        "@mer-edge/web, or convert the bundle again with this version",
    );
  }
  const newer = typeof data?.schema_minor === "number" && data.schema_minor > SCHEMA_MINOR;
  let manifest: Manifest;
  try {
    manifest = readBy(schema as Schema, data, schema.title, newer) as Manifest;
  } catch (error) {
    throw new BundleError(`manifest.json does not fit its schema: ${(error as Error).message}; convert the bundle again`);
  }
  checkTarget(manifest);
  checkManifest(manifest);
  return manifest;
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = String((error as Error).message).slice(0, 200);
    throw new BundleError(`manifest.json is not valid JSON (${why}); write the bundle again with mer-convert`);
  }
}

function checkTarget(manifest: Manifest): void {
  if (TARGETS.includes(manifest.target)) return;
  throw new BundleError(
    `${manifest.name} is made for ${manifest.target}, and a browser runs ${TARGETS.join(" and ")} bundles: ` +
      `mer-convert --model ${manifest.model} --target ${TARGETS.join(",")} --out bundles`,
  );
}
