// The page that proves the package in a browser: `npm run browser -w sensor -- --outDir FOLDER`.
import { join } from "node:path";

export default {
  root: import.meta.dirname,
  base: "./",
  logLevel: "warn",
  worker: { format: "es" },
  build: { outDir: join(import.meta.dirname, "../../node_modules/.browser"), emptyOutDir: true, target: "es2022" },
};
