// Model output that tries to run script, to fetch something, or to lead the person away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, open, serve } from "./server.mjs";

let chromium, server;

before(async () => {
  chromium = await browser();
  server = await serve();
});
after(async () => {
  await chromium?.close();
  await server?.end();
});

/** Looks whether anything of an attack came through. */
async function assertHarmless(page, where) {
  const found = await page.evaluate(() => ({
    stolen: /** @type {any} */ (window).stolen,
    // Whatever stands in a text: the page itself has pictures and buttons elsewhere.
    elements: [...document.querySelectorAll("main :is(script, iframe, object, embed, base, meta, style, form[action], details[ontoggle]), .said :is(img, a:not([href^='https://']), input:not([type=checkbox]))")].map((it) => it.outerHTML),
    handlers: [...document.querySelectorAll("main *")].flatMap((it) => it.getAttributeNames().filter((name) => name.startsWith("on") || name === "srcdoc")),
    links: [...document.querySelectorAll("main a")].map((it) => it.protocol).filter((protocol) => !["http:", "https:", "mailto:"].includes(protocol)),
  }));
  assert.deepEqual(found, { stolen: undefined, elements: [], handlers: [], links: [] }, where);
}

test("an answer runs nothing and fetches nothing", async () => {
  const { page, context, faults } = await open(chromium, server.address);
  page.on("dialog", (dialog) => faults.push(`a dialog: ${dialog.message()}`));
  await page.goto(server.address);
  await page.getByRole("textbox", { name: "Message" }).fill("begin the attack");
  await page.keyboard.press("Enter");
  await page.getByRole("article", { name: /^Answer of/ }).getByText("The end of the attack.").waitFor();
  await page.getByRole("button", { name: "Answer again" }).waitFor();
  await assertHarmless(page, "chat");
  // What looked like markup is there to be read.
  const text = await page.getByRole("article", { name: /^Answer of/ }).textContent();
  for (const part of ["<script>window.stolen", "<img src=x onerror", "<iframe src=", "</script>", "(javascript:window.stolen='link')", "image: a picture"]) {
    assert.ok(text.includes(part), part);
  }
  // Links lead elsewhere only, in a page that knows nothing of this one.
  for (const link of await page.locator(".said a").all()) {
    assert.equal(await link.getAttribute("target"), "_blank");
    assert.match(await link.getAttribute("rel"), /noopener noreferrer/);
  }
  // The same text as a name, in a search, in a table, as Markdown and as HTML of a query.
  await page.evaluate(async () => {
    const { conversations } = await (await fetch("api/conversations")).json();
    const body = JSON.stringify({ name: "<img src=x onerror=\"window.stolen='name'\">" });
    await fetch(`api/conversations/${conversations[0].id}`, { method: "POST", headers: { "content-type": "application/json" }, body });
  });
  await page.reload();
  await page.getByRole("link", { name: "<img src=x" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search for" }).fill("stolen");
  await page.getByRole("dialog").getByRole("option").first().waitFor();
  await assertHarmless(page, "search");
  await page.keyboard.press("Escape");
  const queries = ["select response from turn_search where response like '%stolen%'", "select response as markdown from turn_search where response like '%stolen%'",
    "select response as html from turn_search where response like '%stolen%'", "select response as bar_label, 1 as bar_quantity from turn_search where response like '%stolen%'",
    "select response as label, response as big_number from turn_search where response like '%stolen%'", "select response as \"<img src=x onerror=alert(1)>\" from turn_search limit 1"];
  await page.goto(`${server.address}/#/dashboard?${queries.map((sql) => `sql=${encodeURIComponent(sql)}`).join("&")}`);
  await page.getByText("The end of the attack.").first().waitFor();
  await assertHarmless(page, "dashboard");
  await page.getByRole("button", { name: "Copy the address" }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("an address runs nothing", async () => {
  const { page, context, faults } = await open(chromium, server.address);
  page.on("dialog", (dialog) => faults.push(`a dialog: ${dialog.message()}`));
  for (const hash of ["#/chat/<img src=x onerror=alert(1)>", "#/experiments/..%2F..%2Fapi", "#/dashboard/<script>alert(1)</script>", "#/<script>", "#/chat/%E0%A4%A"]) {
    await page.goto("about:blank");
    await page.goto(`${server.address}/${hash}`);
    await page.getByRole("navigation", { name: "Views" }).waitFor();
    await assertHarmless(page, hash);
  }
  // Names that are not there: the browser says so itself.
  assert.deepEqual(faults.filter((fault) => !/^Failed to load resource.* 404 /.test(fault)), []);
  await context.close();
});

test("the policy stands even where the page would err", async () => {
  const { page, context } = await open(chromium, server.address);
  await page.goto(server.address);
  await page.getByRole("navigation", { name: "Views" }).waitFor();
  const outcome = await page.evaluate(async () => {
    const tried = {};
    try {
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.stolen = 1'>");
      tried.html = "taken";
    } catch (error) {
      tried.html = error.name;
    }
    try {
      const script = document.createElement("script");
      script.textContent = "window.stolen = 2";
      document.body.append(script);
      tried.script = "taken";
    } catch (error) {
      tried.script = error.name;
    }
    tried.fetch = await fetch("https://example.com/").then(() => "sent", () => "refused");
    tried.stolen = window.stolen;
    return tried;
  });
  assert.deepEqual(outcome, { html: "TypeError", script: "TypeError", fetch: "refused", stolen: undefined });
  await context.close();
});
