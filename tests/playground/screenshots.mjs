// Takes the README's pictures: a rollout of the demo's world, played by clicks in the playground.
//
//     cd tests/playground && npm ci --ignore-scripts && node screenshots.mjs [FOLDER]
//
// The world's clock stands still but for skips, and the font is a package: the same code gives the same pictures, but
// for a second here or there.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import sharp from "sharp";

import { browser, decide, start, told } from "./visit.mjs";

const IMAGES = process.argv[2] ?? fileURLToPath(new URL("../../.github/images", import.meta.url));
const FONT = createRequire(import.meta.url).resolve(
  "@fontsource-variable/noto-sans/files/noto-sans-latin-wght-normal.woff2",
);
/** The largest a picture may be, in bytes: they are downloaded with the README, on phones too. */
const LARGEST = 60 * 1024;
const PALETTES = [{ quality: 60 }, { quality: 40 }, { quality: 20 }, { colours: 16 }];
const SCHEMES = ["light", "dark"];
/** The page has a margin of 16 px on both sides. */
const SCREENS = [
  { suffix: "", width: 932, deviceScaleFactor: 1 },
  { suffix: "-phone", width: 390, deviceScaleFactor: 1.5 },
];

const playground = await start("--speed", "0", "--at", "2026-03-02T09:00:20Z");
const chromium = await browser();
const pages = await Promise.all(SCREENS.map(open));
const [{ page }] = pages;
try {
  await play();
} finally {
  await chromium.close();
  await playground.stop();
}

/** A page on a screen; all of them show the same play. */
async function open({ suffix, width, deviceScaleFactor }) {
  // The font is put in from outside, which the page's own policy forbids.
  const page = await chromium.newPage({ viewport: { width, height: 844 }, deviceScaleFactor, bypassCSP: true });
  page.setDefaultTimeout(60_000);
  await page.goto(playground.address);
  const font = (await readFile(FONT)).toString("base64");
  await page.addStyleTag({
    content: `@font-face { font-family: "Noto Sans"; font-weight: 100 900; src: url(data:font/woff2;base64,${font}); }
      body { font-family: "Noto Sans", sans-serif; } .bar { border-radius: 6px 6px 0 0; }`,
  });
  return { page, suffix };
}

async function play() {
  await told(page, "vpc", "staging", "queued");
  await told(page, "database", "staging", "queued");
  await told(page, "vpc", "production", "queued");
  await told(page, "database", "production", "queued");
  await skip(1);
  await told(page, "vpc", "staging", "running");
  await told(page, "database", "staging", "running");
  await told(page, "vpc", "production", "waiting");
  await told(page, "database", "production", "waiting");
  await skip(2);
  await told(page, "vpc", "staging", "succeeded");
  await told(page, "database", "staging", "succeeded");
  await told(page, "eks/cluster", "staging", "queued");
  await skip(1);
  await told(page, "eks/cluster", "staging", "running");
  await shoot("waiting", "#comment");

  await decide(page, "Approve", "vpc", "the plan only adds subnets");
  await told(page, "vpc", "production", "queued");
  await skip(1);
  await told(page, "vpc", "production", "running");
  await skip(1);
  await told(page, "vpc", "production", "succeeded");
  await told(page, "eks/cluster", "production", "queued");
  await skip(1);
  await told(page, "eks/cluster", "staging", "succeeded");
  await told(page, "eks/cluster", "production", "waiting");
  await told(page, "api", "staging", "queued");
  await decide(page, "Approve", "eks/cluster", "two more nodes, as agreed");
  await told(page, "eks/cluster", "production", "queued");
  await skip(1);
  await told(page, "api", "staging", "running");
  await told(page, "eks/cluster", "production", "running");
  await skip(2);
  await told(page, "api", "staging", "succeeded");
  await told(page, "eks/cluster", "production", "succeeded");
  await skip(9);
  await decide(page, "Approve", "database", "the nightly backup has finished now", "kit");
  await told(page, "database", "production", "queued");
  await skip(1);
  await told(page, "database", "production", "running");
  await skip(2);
  await told(page, "database", "production", "succeeded");
  await told(page, "api", "production", "queued");
  await skip(1);
  await told(page, "api", "production", "waiting");
  await skip(3);
  await decide(page, "Reject", "api", "not before the weekend");
  await page.locator("#job-tells", { hasText: "exit status" }).waitFor();
  await shoot("finished", "#comment");
  await shoot("summary", "#summary");
}

/** In one jump, so that the action sees nothing of the time between. */
async function skip(minutes) {
  const key = await page.locator('meta[name="key"]').getAttribute("content");
  const headers = { "x-playground-key": key };
  await page.request.post(`${playground.address}/deeds`, { headers, data: { deed: "skip", seconds: 60 * minutes } });
  // The action learns the time from answers: two looks later it knows.
  for (let look = 0; look < 2; look += 1) {
    const requests = await page.locator("#requests").innerText();
    await page.locator("#requests", { hasNotText: requests }).waitFor();
  }
}

/** Takes a place's picture in both colours on all screens. */
async function shoot(name, place) {
  await mkdir(IMAGES, { recursive: true });
  const text = `${place} .markdown`;
  const newest = await page.locator(text).evaluate((it) => it.shown);
  for (const { page: other, suffix } of pages) {
    for (const colorScheme of SCHEMES) {
      await other.emulateMedia({ colorScheme });
      await other.waitForFunction(([text, newest]) => document.querySelector(text).shown === newest, [text, newest]);
      await other.waitForFunction(() => !document.querySelector('.markdown pre[lang="mermaid"]'));
      await other.evaluate(() => document.fonts.ready);
      const picture = await small(await other.locator(place).screenshot({ animations: "disabled" }));
      const file = `${name}${suffix}-${colorScheme}.png`;
      await writeFile(join(IMAGES, file), picture);
      console.log(`${file}: ${picture.length} bytes${picture.length > LARGEST ? ": too large" : ""}`);
    }
  }
}

/** With as many colours as there is room for. */
async function small(png) {
  let smaller;
  for (const palette of PALETTES) {
    smaller = await sharp(png).png({ palette: true, dither: 0, effort: 10, compressionLevel: 9, ...palette }).toBuffer();
    if (smaller.length <= LARGEST) break;
  }
  return smaller;
}
