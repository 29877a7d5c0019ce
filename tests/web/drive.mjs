// Drives a headless Chromium: reads {url, steps, ...} as JSON from standard input, prints what the steps give as JSON.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(join(import.meta.dirname, "../../web/package.json"));
const { chromium } = require("playwright-core");
const task = JSON.parse(readFileSync(0, "utf8"));
const profile = mkdtempSync(join(tmpdir(), "mer-chromium-"));
const flags = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking";
const more = "--disable-component-update --disable-sync --disable-dev-shm-usage";
const context = await chromium.launchPersistentContext(profile, {
  executablePath: task.chromium,
  headless: true,
  args: [...flags.split(" "), ...more.split(" "), ...(task.flags ?? [])],
  viewport: task.viewport ?? { width: 390, height: 844 },
  deviceScaleFactor: 2,
  colorScheme: task.dark ? "dark" : "light",
  ignoreHTTPSErrors: true,
  // What it leaves, such as a folder for PulseAudio, goes with the profile.
  env: { ...process.env, TMPDIR: profile },
  permissions: task.permissions ?? [],
});
const console_ = [];
const found = [];

/** The value of an expression, asked for by the browser's own protocol: a page's content policy may forbid eval. */
async function evaluated(page, expression) {
  const session = await context.newCDPSession(page);
  try {
    const given = { expression, awaitPromise: true, returnByValue: true, allowUnsafeEvalBlockedByCSP: false };
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", given);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  } finally {
    await session.detach();
  }
}

async function until(page, expression) {
  const end = Date.now() + (task.timeout ?? 120000);
  while (!(await evaluated(page, expression))) {
    if (Date.now() > end) throw new Error(`it never came to be that ${expression}`);
    await page.waitForTimeout(50);
  }
}

try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(task.timeout ?? 120000);
  page.on("console", (message) => console_.push(message.text()));
  page.on("pageerror", (error) => console_.push(String(error)));
  if (task.init) await page.addInitScript(task.init);
  await page.goto(task.url);
  for (const [kind, ...given] of task.steps) {
    if (kind === "click") await page.click(given[0]);
    else if (kind === "wait") await page.waitForSelector(given[0], { state: "attached" });
    else if (kind === "until") await until(page, given[0]);
    else if (kind === "text") found.push(await page.innerText(given[0]));
    else if (kind === "evaluate") found.push(await evaluated(page, given[0]));
    else if (kind === "offline") await context.setOffline(given[0]);
    else if (kind === "sleep") await page.waitForTimeout(given[0]);
    else if (kind === "reload") await page.reload();
    else if (kind === "shot") await page.screenshot({ path: given[0], fullPage: given[1] ?? true });
    else if (kind === "touch") writeFileSync(given[0], "");
    else if (kind === "file") while (!existsSync(given[0])) await page.waitForTimeout(50);
    else throw new Error(`no such step: ${kind}`);
  }
  console.log(JSON.stringify({ found, console: console_ }));
} catch (error) {
  const page = context.pages()[0];
  const shown = await page?.evaluate(() => document.body.innerText).catch(() => "");
  console.log(JSON.stringify({ found, console: console_, error: String(error), shown }));
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
