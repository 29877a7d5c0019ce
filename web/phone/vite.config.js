import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { defaultClientConditions, defineConfig } from "vite";

const require = createRequire(import.meta.url);
const dist = dirname(require.resolve("onnxruntime-web"));
const version = JSON.parse(readFileSync(join(dist, "../package.json"), "utf8")).version;
const cache = resolve(import.meta.dirname, "../node_modules/.cache/mer-ort");
// The second one is for WebGPU, which needs promises in WebAssembly.
const RUNTIMES = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.jspi"];

/** onnxruntime-web beside the page: 14 MB of WebAssembly are 2.3 MB in brotli, which takes a minute, once. */
function runtimes() {
  return {
    name: "runtimes",
    generateBundle() {
      for (const name of RUNTIMES) {
        this.emitFile({ type: "asset", fileName: `ort/${name}.mjs`, source: readFileSync(join(dist, `${name}.mjs`)) });
        this.emitFile({ type: "asset", fileName: `ort/${name}.wasm.br`, source: packed(join(dist, `${name}.wasm`)) });
      }
    },
  };
}

function packed(path) {
  const content = readFileSync(path);
  const kept = join(cache, `${createHash("sha256").update(content).digest("hex")}.br`);
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
    writeFileSync(kept, brotliCompressSync(content, { params }));
  }
  return readFileSync(kept);
}

// Without the condition, onnxruntime-web puts its own copy of the runtime's script into every bundle.
const conditions = ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions];

export default defineConfig({
  base: "./",
  define: { ORT_VERSION: JSON.stringify(version) },
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
