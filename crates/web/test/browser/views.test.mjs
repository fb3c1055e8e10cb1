// What every view takes, looks like, and says to those who hear it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, open, PICTURES, serve } from "./server.mjs";

/** What the page may take before any model: 100 kB. */
const BUDGET = 100_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let chromium, server;

before(async () => {
  chromium = await browser();
  server = await serve();
  // One model is on its way in every picture.
  await fetch(`${server.address}/api/models/pull`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: "smollm2-360m" }),
  });
});
after(async () => {
  await chromium?.close();
  await server?.end();
});

/** The views, and how to come to each. @type {Record<string, (page: import("playwright-core").Page) => Promise<void>>} */
const VIEWS = {
  welcome: async (page) => {
    await page.goto(server.address);
    await page.getByRole("heading", { name: "Ask your own computer." }).waitFor();
  },
  chat: async (page) => {
    await page.goto(server.address);
    await page.getByRole("textbox", { name: "Message" }).fill("How does one find primes? Show me code");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("button", { name: "Answer again" }).waitFor();
  },
  settings: async (page) => {
    await page.goto(server.address);
    await page.getByRole("button", { name: "Settings" }).click();
  },
  search: async (page) => {
    await page.goto(server.address);
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Search for" }).fill("capital");
    await page.getByRole("dialog").getByRole("option").first().waitFor();
  },
  compare: async (page) => {
    await page.goto(`${server.address}/#/compare`);
    await page.getByRole("textbox", { name: "Prompt" }).first().fill("Find primes, and show code");
    await page.getByRole("button", { name: "Ask all" }).click();
    await page.getByRole("button", { name: "Copy answer" }).nth(1).waitFor();
  },
  models: async (page) => {
    await page.goto(`${server.address}/#/models`);
    await page.getByRole("progressbar", { name: "model.gguf" }).waitFor();
  },
  experiments: async (page) => {
    await page.goto(`${server.address}/#/experiments`);
    await page.getByRole("link", { name: "politeness" }).waitFor();
  },
  experiment: async (page) => {
    await page.goto(`${server.address}/#/experiments/politeness-1`);
    await page.getByRole("heading", { name: "Newest answers" }).waitFor();
  },
  trainings: async (page) => {
    await page.goto(`${server.address}/#/training`);
    await page.getByRole("progressbar", { name: "198 of 300 steps" }).waitFor();
  },
  training: async (page) => {
    await page.goto(`${server.address}/#/training/c1b2c3d4e5f60718293a4b5c6d7e8f90`);
    await page.getByRole("img", { name: /^Training 1\.\d+, held out 1\.\d+$/ }).waitFor();
    await page.getByRole("article").filter({ hasText: "<b>and</b> the people" }).waitFor();
  },
  dashboard: async (page) => {
    await page.goto(`${server.address}/#/dashboard`);
    await page.getByRole("region", { name: "What you asked most often" }).first().getByRole("table").waitFor();
  },
};

/** @type {Record<string, import("playwright-core").BrowserContextOptions>} */
const SCREENS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
};

for (const [screen, options] of Object.entries(SCREENS)) {
  test(`every view on ${screen}`, async () => {
    const { page, context, faults } = await open(chromium, server.address, { reducedMotion: "reduce", ...options });
    for (const [view, come] of Object.entries(VIEWS)) {
      await page.goto("about:blank");
      await come(page);
      await page.screenshot({ path: join(PICTURES, `${view}-${screen}.png`) });
      const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (width > 0) faults.push(`${view} is ${width} pixels wider than the screen`);
      faults.push(...(await audit(page)).map((violation) => `${view}: ${violation}`));
    }
    assert.deepEqual(faults, []);
    await context.close();
  });
}

/** What axe-core finds: names, roles, contrast. @param {import("playwright-core").Page} page */
async function audit(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run(document, { resultTypes: ["violations"] }));
  return violations.map((/** @type {any} */ found) => `${found.id}: ${found.nodes.map((/** @type {any} */ node) => node.html).slice(0, 3).join(" ")}`);
}

test("the menu of a phone opens, leads on and closes", async () => {
  const { page, context, faults } = await open(chromium, server.address, SCREENS.phone);
  await page.goto(server.address);
  const views = page.getByRole("navigation", { name: "Views" });
  assert.equal(await views.isVisible(), false);
  await page.getByRole("button", { name: "Menu", exact: true }).click();
  await page.screenshot({ path: join(PICTURES, "menu-phone.png") });
  await views.getByRole("link", { name: "Models" }).click();
  await page.getByRole("heading", { name: "On this computer" }).waitFor();
  await views.waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await context.close();
});

test("the whole page takes less than 100 kB", async () => {
  const { page, context } = await open(chromium, server.address);
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  /** @type {Map<string, string>} */
  const urls = new Map();
  const taken = { files: 0, page: 0, data: 0 };
  network.on("Network.responseReceived", ({ requestId, response }) => urls.set(requestId, response.url));
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const path = new URL(urls.get(requestId) ?? server.address).pathname;
    const isPage = path === "/" || path.startsWith("/page/");
    taken[isPage ? "page" : "data"] += encodedDataLength;
    taken.files += isPage ? 1 : 0;
  });
  await page.goto(server.address, { waitUntil: "networkidle" });
  const first = taken.page;
  for (const view of ["compare", "models", "experiments", "training", "dashboard"]) {
    await page.goto(`${server.address}/#/${view}`);
    await page.getByRole("main").getByRole("heading", { level: 2 }).first().waitFor();
  }
  await page.getByRole("region", { name: "What you asked most often" }).getByRole("table").waitFor();
  console.log(`first view ${first} bytes, all views ${taken.page} bytes in ${taken.files} files; what they show ${taken.data} bytes`);
  assert.ok(first > 0 && taken.page <= BUDGET, `${taken.page} bytes`);
  await context.close();
});

test("light, dark, or as the system is", async () => {
  const { page, context } = await open(chromium, server.address, { colorScheme: "dark" });
  await page.goto(server.address);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await paper();
  await page.getByRole("button", { name: "Colours: auto; change to light" }).click();
  const light = await paper();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await paper(), light);
  await page.getByRole("button", { name: "Colours: light; change to dark" }).click();
  await page.getByRole("button", { name: "Colours: dark; change to auto" }).click();
  assert.equal(await paper(), dark);
  await context.close();
});
