// Plays in the playground with a real browser, as a visitor would.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { again, browser, decide, start, told } from "./visit.mjs";

/** The longest a visitor waits for anything, in milliseconds; a loaded machine is slow. */
const PATIENCE = 60_000;

let playground;
let chromium;
let page;
let complaints;

before(async () => {
  playground = await start("--speed", "0", "--at", "2026-03-02T09:00:00Z");
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  await playground?.stop();
});

beforeEach(async () => {
  page = await chromium.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(PATIENCE);
  complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(playground.address);
});

afterEach(async () => {
  await page.close();
});

/** Waits until a place shows a text. */
async function sees(place, text) {
  await page.locator(place).filter({ hasText: text }).first().waitFor();
}

test("what is approved is deployed, and what is rejected is not, nor what needs it", async () => {
  await again(page, "300×");
  await told(page, "vpc", "production", "waiting");
  await told(page, "database", "production", "waiting");
  await decide(page, "Approve", "vpc", "the plan only adds subnets");
  await told(page, "vpc", "production", "succeeded");
  await decide(page, "Reject", "database", "not before the weekend");
  await told(page, "database", "production", "rejected");
  await told(page, "api", "production", "skipped");
  await told(page, "eks/cluster", "production", "waiting");
  await decide(page, "Approve", "eks/cluster", "");
  await sees("#job-tells", "exit status: 1");
  await sees("#outputs", "result rejected: succeeded 6, failed 0, rejected 1, cancelled 0, skipped 1, pending 0");
  await sees("#comment-text", "not before the weekend");
  await sees("#summary-text", "not before the weekend");
  assert.deepEqual(complaints, []);
});

test("a cancelled job says so in the comment, and its re-run goes on without a second dispatch", async () => {
  await again(page, "300×");
  await told(page, "vpc", "production", "waiting");
  await told(page, "database", "production", "waiting");
  await page.getByRole("button", { name: "Cancel the job" }).click();
  await sees("#job-tells", "was cancelled");
  await sees("#comment-text", "Nobody");
  await page.getByRole("button", { name: "Re-run the job" }).click();
  await sees("#job-tells", "Attempt 2. The action runs.");
  for (const component of ["vpc", "database"]) await decide(page, "Approve", component, "");
  for (const component of ["eks/cluster", "api"]) {
    await told(page, component, "production", "waiting");
    await decide(page, "Approve", component, "");
  }
  await sees("#job-tells", "exit status: 0");
  assert.equal(await page.locator("#runs > li").count(), 8);
  assert.deepEqual(complaints, []);
});

test("after a killed action its post step tells; after a killed runner nothing does; a re-run goes on", async () => {
  await again(page, "300×");
  await told(page, "database", "production", "waiting");
  await page.getByRole("button", { name: "Kill the action" }).click();
  await sees("#job-tells", "SIGKILL");
  await sees("#comment-text", "Nobody");
  await page.getByRole("button", { name: "Re-run the job" }).click();
  await page.locator("#comment-text", { hasNotText: "Nobody" }).waitFor();
  await page.getByRole("button", { name: "Kill the runner" }).click();
  await sees("#job-tells", "The runner is gone");
  assert.equal(await page.locator("#comment-text", { hasText: "Nobody" }).count(), 0);
  await decide(page, "Approve", "database", "");
  await page.getByRole("button", { name: "Re-run the job" }).click();
  await told(page, "database", "production", "succeeded");
  assert.equal(await page.getByRole("listitem", { name: "apply database in plat-use2-prod" }).count(), 1);
  assert.deepEqual(complaints, []);
});

test("a run fails where a visitor wants it to, and Review leads to the gate", async () => {
  await again(page, "Stop");
  await told(page, "vpc", "staging", "queued");
  await told(page, "vpc", "production", "queued");
  await page.getByRole("button", { name: "Skip a minute" }).click();
  const vpc = page.getByRole("listitem", { name: "apply vpc in plat-use2-staging" });
  await vpc.getByRole("button", { name: "Fail" }).click();
  await told(page, "vpc", "staging", "failed");
  await told(page, "eks/cluster", "staging", "skipped");
  await page.locator("#comment-text details").evaluateAll((all) => all.forEach((it) => it.setAttribute("open", "")));
  await page.locator("#comment-text").getByRole("link", { name: "Review" }).first().click();
  await page.locator(".runs .shown .gate input:focus").waitFor();
  assert.equal(page.url(), `${playground.address}/`);
  assert.deepEqual(complaints, []);
});

test("what is typed and focused outlives what happens meanwhile", async () => {
  await again(page, "300×");
  const gate = page.getByRole("listitem", { name: "apply vpc in plat-use2-prod" }).locator(".gate");
  await gate.getByLabel("Comment of the review").fill("half a sen");
  await told(page, "api", "staging", "succeeded");
  await gate.locator("input:focus").pressSequentially("tence");
  assert.equal(await gate.locator("input").inputValue(), "half a sentence");
  assert.deepEqual(complaints, []);
});

test("graphs are drawn where the library is installed", async () => {
  await again(page, "300×");
  await told(page, "vpc", "production", "waiting");
  await page.locator("#comment-text figure svg").first().waitFor({ state: "attached" });
  assert.equal(await page.locator('#comment-text pre[lang="mermaid"]').count(), 0);
  assert.deepEqual(complaints, []);
});

test("it fits a phone, and each button has a name", async () => {
  await again(page, "300×");
  await page.setViewportSize({ width: 390, height: 844 });
  await told(page, "vpc", "production", "waiting");
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `the page is ${width} px wide`);
  const unnamed = await page.locator("button, input, select").evaluateAll((all) =>
    all.filter((it) => !(it.getAttribute("aria-label") || it.textContent.trim())).length);
  assert.equal(unnamed, 0);
});

test("nobody else may press its buttons", async () => {
  const deed = JSON.stringify({ deed: "kill-runner" });
  const without = await fetch(`${playground.address}/deeds`, { method: "POST", body: deed });
  assert.equal(without.status, 403);
  const wrong = await fetch(`${playground.address}/deeds`, {
    method: "POST",
    body: deed,
    headers: { "x-playground-key": "0".repeat(32) },
  });
  assert.equal(wrong.status, 403);
  await sees("#job-tells", "The action runs.");
  // As a page would ask whose own name was made to lead here.
  assert.equal(await called("example.com", new URL(playground.address).port), 421);
  const { headers } = await fetch(playground.address);
  assert.match(headers.get("content-security-policy"), /default-src 'none'; script-src 'self';/);
});

/** How a request under a foreign name is answered. */
function called(name, port) {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path: "/", headers: { host: `${name}:${port}` } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.on("error", reject).end();
  });
}
