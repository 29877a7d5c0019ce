// Built with the packages of web/: `cd web && npm run demo`. The page carries the bundle MER_BUNDLE and the face finder's
// bundle MER_FINDER; an empty MER_FINDER leaves the finder out.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const here = import.meta.dirname;
const bundles = join(here, "../../bundles");
const bundle = resolve(process.env.MER_BUNDLE ?? join(bundles, "grjca-onnx-fp32.mer"));
const finder = finderFolder(process.env.MER_FINDER);
const modules = join(here, "../../web/node_modules");
// Target -> the runtime's place beside the page, its folder, and its files: of LiteRT.js those for browsers with relaxed
// SIMD and those for the others.
const RUNTIMES = {
  onnx: ["ort", join(modules, "onnxruntime-web/dist"), ["ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]],
  tflite: [
    "litert",
    join(modules, "@litertjs/core/wasm"),
    ["litert_wasm_internal", "litert_wasm_compat_internal"].flatMap((name) => [`${name}.js`, `${name}.wasm`]),
  ],
};

// What the built page may do: run its own scripts and WebAssembly, and talk to nobody but the server that it came from. The
// server for development puts styles and sockets of its own into the page, and goes without.
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'";

/** The finder's bundle, or null, which is told: where none is named, the one that mer-convert makes. */
function finderFolder(named) {
  const folder = resolve(named || join(bundles, "face_finder-onnx-fp32.mer"));
  if (named !== "" && (named || existsSync(folder))) return folder;
  const why = named === "" ? "MER_FINDER is empty" : `there is no ${folder}`;
  console.warn(
    `No face finder in the page, as ${why}: it takes the browser's own, or a square in the middle of the picture. ` +
      "mer-convert --model face_finder --target onnx --scheme fp32 --out bundles makes one.",
  );
  return null;
}

/** Manifest and graphs of a bundle, and the runtime that it needs, by their place beside the page. */
function filesOf(folder, place, variable) {
  if (!existsSync(join(folder, "manifest.json"))) {
    throw new Error(`${folder} is no bundle; make one with mer-convert --target onnx,tflite, and name it in ${variable}`);
  }
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const runtime = RUNTIMES[manifest.target];
  if (!runtime) {
    throw new Error(`${folder} is made for ${manifest.target}, and a browser runs ${Object.keys(RUNTIMES).join(" and ")}`);
  }
  if (Boolean(manifest.finder) !== (variable === "MER_FINDER")) {
    const [is, other] = manifest.finder ? ["a face finder", "MER_FINDER"] : ["an emotion model", "MER_BUNDLE"];
    throw new Error(`${folder} is ${is}: name it in ${other}, not in ${variable}`);
  }
  const names = ["manifest.json", ...Object.values(manifest.graphs).map(({ file }) => file)];
  const [beside, from, files] = runtime;
  return [
    ...names.map((name) => [`${place}/${name}`, join(folder, name)]),
    ...files.map((name) => [`${beside}/${name}`, join(from, name)]),
  ];
}

/** Files that the page fetches, by their place beside it: of both bundles, and their runtimes. */
function carried() {
  return new Map([
    ...filesOf(bundle, "bundle", "MER_BUNDLE"),
    ...(finder ? filesOf(finder, "finder", "MER_FINDER") : []),
  ]);
}

function mer() {
  return {
    name: "mer",
    transformIndexHtml: (html, { server }) => ({
      html: finder ? html : html.replace('finder="finder/"', 'finder="browser"'),
      tags: server
        ? []
        : [{ tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" }],
    }),
    configureServer(server) {
      const files = carried();
      server.middlewares.use((request, response, next) => {
        const path = files.get(request.url.split("?")[0].slice(1));
        if (!path) return next();
        if (/\.m?js$/.test(path)) response.setHeader("Content-Type", "text/javascript");
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
  define: { CARRIES_FINDER: JSON.stringify(finder !== null) },
  resolve: {
    conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"],
    alias: {
      "@mer-edge/web/element": join(here, "../../web/sensor/dist/live/element.js"),
      "@mer-edge/web": join(here, "../../web/sensor/dist/index.js"),
    },
  },
  server: { fs: { allow: [join(here, "../..")] } },
  plugins: [mer()],
  worker: { format: "es" },
  build: {
    rollupOptions: { input: [join(here, "index.html"), join(here, "minimal.html")] },
    outDir: join(here, "dist"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
  },
};
