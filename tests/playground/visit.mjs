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
  // The sandbox cannot be had as root, as in a container of CI.
  const chromiumSandbox = process.getuid?.() !== 0;
  return chromium.launch({ executablePath, chromiumSandbox, args: ["--disable-gpu", "--font-render-hinting=none"] });
}
