import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { defaultClientConditions, defineConfig } from "vite";

const require = createRequire(import.meta.url);
const ort = join(dirname(require.resolve("onnxruntime-web")), "..");
const litert = resolve(import.meta.dirname, "../node_modules/@litertjs/core");
const versionOf = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
const cache = resolve(import.meta.dirname, "../node_modules/.cache/mer-runtimes");
// Place in the page -> file, without the ending: a script and its WebAssembly.
const RUNTIMES = {
  "ort/ort-wasm-simd-threaded": { from: join(ort, "dist"), script: ".mjs" },
  // For WebGPU, which needs promises in WebAssembly.
  "ort/ort-wasm-simd-threaded.jspi": { from: join(ort, "dist"), script: ".mjs" },
  "litert/litert_wasm_internal": { from: join(litert, "wasm"), script: ".js" },
  // For browsers without relaxed SIMD.
  "litert/litert_wasm_compat_internal": { from: join(litert, "wasm"), script: ".js" },
};

/** The runtimes beside the page; a phone reads those of its bundle's target alone. */
function runtimes() {
  return {
    name: "runtimes",
    generateBundle() {
      for (const [place, { from, script }] of Object.entries(RUNTIMES)) {
        for (const ending of [script, ".wasm"]) {
          const file = join(from, place.split("/")[1] + ending);
          this.emitFile({ type: "asset", fileName: `${place}${ending}.br`, source: packed(file) });
        }
      }
    },
  };
}

/** Quality 9 packs each file in seconds; 11 takes a minute for each, and saves 14 % (2.30 MB instead of 2.67). */
function packed(path) {
  const content = readFileSync(path);
  const quality = 9;
  const kept = join(cache, `${createHash("sha256").update(content).digest("hex")}-${quality}.br`);
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: 24 };
    writeFileSync(kept, brotliCompressSync(content, { params }));
  }
  return readFileSync(kept);
}

// Without the condition, onnxruntime-web puts its own copy of the runtime's script into every bundle.
const conditions = ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions];

export default defineConfig({
  base: "./",
  define: {
    RUNTIMES: JSON.stringify({ onnx: `onnxruntime-web ${versionOf(ort)}`, tflite: `LiteRT.js ${versionOf(litert)}` }),
  },
  resolve: { conditions },
  plugins: [runtimes()],
  worker: { format: "es" },
  build: {
    outDir: resolve(import.meta.dirname, "../../sdk/mer_sdk/phone/page"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
  },
});
