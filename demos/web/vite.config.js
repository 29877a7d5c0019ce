// Built with the packages of web/: `cd web && npm run demo`. MER_BUNDLE is the bundle that the page carries.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const here = import.meta.dirname;
const bundle = resolve(process.env.MER_BUNDLE ?? join(here, "../../bundles/grjca-onnx-fp32.mer"));
const dist = join(here, "../../web/node_modules/onnxruntime-web/dist");
const runtime = ["ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];

/** Files that the page fetches, by their place beside it: the bundle's manifest and graphs, and the runtime. */
function carried() {
  if (!existsSync(join(bundle, "manifest.json"))) {
    throw new Error(`${bundle} is no bundle; make one with mer-convert --target onnx, and name it in MER_BUNDLE`);
  }
  const { graphs, target } = JSON.parse(readFileSync(join(bundle, "manifest.json"), "utf8"));
  if (target !== "onnx") throw new Error(`${bundle} is made for ${target}, and a browser runs onnx`);
  const names = ["manifest.json", ...Object.values(graphs).map(({ file }) => file)];
  return new Map([
    ...names.map((name) => [`bundle/${name}`, join(bundle, name)]),
    ...runtime.map((name) => [`ort/${name}`, join(dist, name)]),
  ]);
}

function mer() {
  return {
    name: "mer",
    configureServer(server) {
      const files = carried();
      server.middlewares.use((request, response, next) => {
        const path = files.get(request.url.split("?")[0].slice(1));
        if (!path) return next();
        if (path.endsWith(".mjs")) response.setHeader("Content-Type", "text/javascript");
        if (path.endsWith(".wasm")) response.setHeader("Content-Type", "application/wasm");
        response.end(readFileSync(path));
      });
    },
    generateBundle: {
      // After all others, when every file of the page is known.
      order: "post",
      handler(_, built) {
        for (const [fileName, path] of carried()) this.emitFile({ type: "asset", fileName, source: readFileSync(path) });
        const names = ["./", ...Object.keys(built).filter((name) => name !== "index.html"), ...carried().keys()];
        const digest = createHash("sha256");
        for (const file of Object.values(built)) digest.update(file.code ?? file.source ?? "");
        for (const path of carried().values()) digest.update(readFileSync(path));
        const head = `const VERSION = "${digest.digest("hex").slice(0, 16)}";\nconst FILES = ${JSON.stringify([...new Set(names)])};\n`;
        this.emitFile({ type: "asset", fileName: "sw.js", source: head + readFileSync(join(here, "src/sw.js"), "utf8") });
      },
    },
  };
}

export default {
  root: here,
  base: "./",
  resolve: {
    conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"],
    alias: {
      "@mer-edge/web/resampler": join(here, "../../web/sensor/src/resampler.ts"),
      "@mer-edge/web": join(here, "../../web/sensor/src/index.ts"),
    },
  },
  server: { fs: { allow: [join(here, "../..")] } },
  plugins: [mer()],
  worker: { format: "es" },
  build: { outDir: join(here, "dist"), emptyOutDir: true, target: "es2022", modulePreload: false, assetsInlineLimit: 0 },
};
