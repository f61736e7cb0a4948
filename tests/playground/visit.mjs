// The playground in a real browser: started, visited, left. For the test and for the pictures.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const repository = fileURLToPath(new URL("../..", import.meta.url));

// Playwright's own browser is never downloaded: the machine's is the one to please.
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Builds and starts the demo as a playground; resolves when it listens. */
export async function start(...options) {
  const demo = spawn("cargo", ["run", "--quiet", "--locked", "--example", "demo", "--", "--serve", ...options], {
    cwd: repository,
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: demo.stdout })) {
    const address = /http:\/\/\S+/.exec(line)?.[0];
    if (address) return { address, stop: () => stop(demo) };
  }
  throw new Error("the playground did not start: Cargo says above why");
}

async function stop(demo) {
  if (demo.exitCode !== null) return;
  demo.kill("SIGTERM");
  await once(demo, "exit");
}

/** The machine's own browser, or the one that CHROMIUM names. */
export async function browser() {
  const executablePath = process.env.CHROMIUM ?? BROWSERS.find((path) => existsSync(path));
  if (!executablePath) throw new Error("there is no Chromium here: install it, or name one by CHROMIUM");
  // Letters have the same place on every machine.
  return chromium.launch({ executablePath, args: ["--disable-gpu", "--font-render-hinting=none"] });
}

/** Starts the play again, at a speed of the world's clock that has a button. */
export async function again(page, speed) {
  const times = Number(await page.locator("body[data-again]").getAttribute("data-again"));
  await page.getByRole("button", { name: speed, exact: true }).click();
  await page.getByRole("button", { name: "Start again" }).click();
  await page.locator(`body[data-again="${times + 1}"]`).waitFor();
}

/** Waits until the comment's table says so of a component; a row may be folded away. */
export async function told(page, component, environment, status) {
  const named = (name) => ({ has: page.locator("code", { hasText: new RegExp(`^${name}$`) }) });
  const rows = page.locator("#comment-text tr").filter(named(component)).filter(named(environment));
  await rows.filter({ hasText: status }).first().waitFor({ state: "attached" });
}

/** Somebody decides about a component of the demo's world in production. */
export async function decide(page, verb, component, words, user = "mona") {
  const gate = page.getByRole("listitem", { name: `apply ${component} in plat-use2-prod` }).locator(".gate");
  await gate.getByLabel("Who decides").selectOption(user);
  await gate.getByLabel("Comment of the review").fill(words);
  await gate.getByRole("button", { name: verb }).click();
}
