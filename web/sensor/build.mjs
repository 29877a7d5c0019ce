// Writes dist/: ES modules with types, one file for each source; the worklet alone is one file by itself, because a
// worklet that was copied beside a page finds no other file.
import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "vite";

const here = import.meta.dirname;
const require = createRequire(import.meta.url);
const compiler = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");

const WRITTEN = ["--noEmit", "false", "--declaration", "--rootDir", join(here, "src"), "--outDir", join(here, "dist")];

rmSync(join(here, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [compiler, "-p", here, ...WRITTEN], { stdio: "inherit" });
await build({
  root: here,
  configFile: false,
  logLevel: "warn",
  build: {
    lib: { entry: join(here, "src/live/worklet.ts"), formats: ["es"], fileName: () => "worklet.js" },
    outDir: join(here, "dist/live"),
    emptyOutDir: false,
    // Short files are put into the page as data: addresses by bundlers, which a content policy forbids.
    minify: false,
  },
});
copyFileSync(join(here, "../../LICENSE"), join(here, "LICENSE"));
