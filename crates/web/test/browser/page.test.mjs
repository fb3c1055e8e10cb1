// The page as a person meets it: through roles and labels, in a real browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { browser, open, serve } from "./server.mjs";

let chromium, server, page, context, faults;

before(async () => {
  chromium = await browser();
  server = await serve();
});
beforeEach(async () => {
  ({ page, context, faults } = await open(chromium, server.address));
  await page.goto(server.address);
});
afterEach(async () => {
  await context.close();
  assert.deepEqual(faults, []);
});
after(async () => {
  await chromium?.close();
  await server?.end();
});

const message = () => page.getByRole("textbox", { name: "Message" });
const answers = () => page.getByRole("article", { name: /^Answer of/ });
const asked = () => page.getByRole("article", { name: "You" });
const button = (name) => page.getByRole("button", { name, exact: true });

/** Asks, and waits until the answer is there and kept. */
async function ask(text) {
  const n = await answers().count();
  await message().fill(text);
  await message().press("Enter");
  await answers().nth(n).getByRole("button", { name: "Answer again" }).waitFor();
}

async function downloaded(action) {
  const [download] = await Promise.all([page.waitForEvent("download"), action()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

test("a question is answered as Markdown, kept, and gone on with", async () => {
  await ask("show me code");
  const answer = answers().first();
  await answer.getByRole("heading", { name: "Finding primes" }).waitFor();
  assert.equal(await answer.locator("figure.code .t-word").first().textContent(), "def");
  assert.equal(await answer.getByRole("table").getByRole("row").count(), 3);
  assert.equal(await answer.locator("ol > li").count(), 3);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await answer.getByRole("button", { name: "Copy code" }).click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^def primes\(n: int\)/);
  await ask("And now?");
  await page.getByText("This is answer 2").waitFor();
  await page.reload();
  await page.getByText("This is answer 2").waitFor();
  assert.equal(await answers().count(), 2);
  const list = page.getByRole("navigation", { name: "Conversations" });
  assert.equal(await list.getByRole("link").first().textContent().then((text) => text.trim()), "show me code");
});

test("an answer is drawn again, and both are kept", async () => {
  await ask("Name a colour");
  const first = await answers().first().locator(".said").textContent();
  await answers().first().getByRole("button", { name: "Answer again" }).click();
  await page.getByText("2 of 2").waitFor();
  const second = await answers().first().locator(".said").textContent();
  assert.notEqual(first, second, "it was drawn with another seed");
  await answers().first().getByRole("button", { name: "Previous version" }).click();
  await page.getByText("1 of 2").waitFor();
  assert.equal(await answers().first().locator(".said").textContent(), first);
  await page.reload();
  await page.getByText("1 of 2").waitFor();
  assert.equal(await answers().first().locator(".said").textContent(), first, "the store knows which one");
});

test("a message that is edited begins a branch", async () => {
  await ask("First question");
  await ask("Second question");
  await asked().nth(1).getByRole("button", { name: "Edit message" }).click();
  await page.getByRole("textbox", { name: "Edit message" }).fill("Another question");
  await button("Send as a new branch").click();
  await asked().nth(1).getByText("2 of 2").waitFor();
  assert.equal(await asked().nth(1).locator(".said").textContent(), "Another question");
  assert.equal(await answers().count(), 2);
  await asked().nth(1).getByRole("button", { name: "Previous version" }).click();
  await page.getByText("Second question").waitFor();
  assert.equal(await answers().count(), 2);
  await asked().first().getByRole("button", { name: "Edit message" }).click();
  await page.getByRole("textbox", { name: "Edit message" }).press("Escape");
  assert.equal(await asked().first().locator(".said").textContent(), "First question");
});

test("Esc stops an answer, and what was said stays", async () => {
  await message().fill("Count forever");
  await message().press("Enter");
  await page.getByText("5 6 7").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText(/· stopped ·/).waitFor();
  assert.match(await answers().first().locator(".said").textContent(), /^1 2 3 4 5/);
  await button("Send").waitFor();
  await page.reload();
  await page.getByText(/· stopped ·/).waitFor();
});

test("what fails is said, and can be tried again", async () => {
  await message().fill("please fail");
  await message().press("Enter");
  await page.getByRole("alert").getByText("the model is away").waitFor();
  await button("Try again").waitFor();
  assert.equal(await asked().first().locator(".said").textContent(), "please fail");
  // The browser itself says that a response was 503.
  assert.match(faults.splice(0).join("\n"), /^Failed to load resource.* 503 /);
});

test("a system prompt and settings go with the question", async () => {
  await button("Settings").click();
  await page.getByRole("textbox", { name: "System prompt" }).fill("Be brief.");
  await page.getByRole("spinbutton", { name: "Seed" }).fill("42");
  await button("Settings").click();
  await ask("Who are you?");
  await answers().first().getByText("drawn with seed 42").waitFor();
  assert.equal(await answers().first().locator("em").textContent(), "Be brief.");
  assert.equal(await page.getByRole("article", { name: "System prompt" }).locator(".said").textContent(), "Be brief.");
  await page.reload();
  await button("Settings").click();
  assert.equal(await page.getByRole("textbox", { name: "System prompt" }).inputValue(), "Be brief.");
  await page.getByRole("link", { name: "New chat", exact: true }).click();
  assert.equal(await page.getByRole("spinbutton", { name: "Seed" }).inputValue(), "42");
});

test("everything that was said is searched from the keyboard", async () => {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search for" }).fill("eratosthenes OR borrow");
  await page.getByRole("dialog").getByRole("option").first().waitFor();
  assert.match(await page.getByRole("dialog").getByRole("option").first().textContent(), /borrow/i);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await answers().first().waitFor();
  assert.match(page.url(), /#\/chat\/\w{26}$/);
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Shift+Control+o");
  await page.getByRole("heading", { name: "Ask your own computer." }).waitFor();
});

test("conversations are renamed, taken out, deleted and taken in", async () => {
  await ask("A thing to keep");
  page.once("dialog", (dialog) => dialog.accept("Kept thing"));
  await button("Rename conversation").click();
  const link = page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: "Kept thing" });
  await link.waitFor();
  const { name, text } = await downloaded(() => button("Export conversation").click());
  assert.equal(name, "kept-thing.json");
  assert.equal(JSON.parse(text).conversations[0].messages.length, 2);
  page.once("dialog", (dialog) => dialog.accept());
  await button("Delete conversation").click();
  await link.waitFor({ state: "detached" });
  await page.getByLabel("Import conversations").setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
  await link.click();
  await page.getByText("This is answer 1").waitFor();
});

test("models are compared, and the comparison becomes an experiment", async () => {
  await page.getByRole("link", { name: "Compare", exact: true }).click();
  await page.getByRole("textbox", { name: "Prompt" }).first().fill("Name a bird");
  await button("Add a column").click();
  const column = (n) => page.getByRole("region", { name: `Column ${n}` });
  await column(3).getByText("Asked differently").click();
  await column(3).getByRole("textbox", { name: "System prompt" }).fill("Sing.");
  await button("Ask all").click();
  for (const n of [1, 2, 3]) await column(n).getByRole("button", { name: "Copy answer" }).waitFor();
  assert.match(await column(1).textContent(), /answer 1 of smollm2-135m/);
  assert.match(await column(2).textContent(), /answer 1 of qwen2.5-coder-0.5b/);
  assert.match(await column(3).textContent(), /I was told: Sing\./);
  const seeds = await page.getByText(/drawn with seed/).allTextContents();
  assert.equal(new Set(seeds.map((text) => /seed (\d+)/.exec(text)[1])).size, 1);
  await page.getByRole("combobox", { name: "An answer is measured by" }).selectOption("contains");
  await page.getByRole("textbox", { name: "a text" }).fill("mynah");
  const { name, text } = await downloaded(() => button("Save the experiment").click());
  assert.equal(name, "name-a-bird.toml");
  assert.match(text, /models = \["smollm2-135m", "qwen2\.5-coder-0\.5b"\]/);
  assert.match(text, /system = "Sing\."/);
  assert.match(text, /text = "mynah"/);
  await page.getByText("mynah try name-a-bird.toml --plan").waitFor();
  // The three answers are versions of one, in the list of conversations too.
  await page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: "Name a bird" }).click();
  await answers().first().waitFor();
});

test("models are shown, fetched and stopped", async () => {
  await page.getByRole("link", { name: "Models", exact: true }).click();
  await page.getByRole("heading", { name: "smollm2-135m" }).waitFor();
  await button("Fetch smollm2-360m").click();
  await page.getByRole("progressbar", { name: "model.gguf" }).waitFor();
  await page.getByText("91.0 MB of 140 MB").waitFor();
  await button("Stop").click();
  await page.getByRole("alert").getByText("smollm2-360m was stopped").waitFor();
  assert.equal(await page.getByRole("button", { name: "Fetch gemma3-1b" }).count(), 0, "its licence wants a terminal");
});

test("an experiment is watched, and its report is in an origin of its own", async () => {
  await page.getByRole("link", { name: "Experiments", exact: true }).click();
  await page.getByRole("progressbar", { name: "13 of 40 samples" }).waitFor();
  const [report] = await Promise.all([context.waitForEvent("page"), page.getByRole("link", { name: "Open the report" }).click()]);
  await report.waitForFunction(() => document.title !== "report");
  assert.equal(await report.title(), "safe", "a script in it may ask the server nothing");
  await report.close();
  // The browser says what it refused.
  faults.splice(0);
  await page.getByRole("link", { name: "politeness" }).click();
  await page.getByRole("region", { name: "Newest answers" }).getByRole("article").first().waitFor();
  assert.equal(await page.getByRole("region", { name: "Variants" }).first().getByRole("row").count(), 3);
});

test("the year in review, a question of one's own, and its address", async () => {
  await page.getByRole("link", { name: "Dashboard", exact: true }).click();
  await page.getByRole("heading", { name: "Your year in review" }).waitFor();
  const panel = (name) => page.getByRole("region", { name, exact: true });
  await panel("What you asked about").getByText("capital").waitFor();
  assert.ok((await panel("The models you used most").getByRole("row").count()) >= 3);
  assert.match(await panel("Tokens").textContent(), /tokens written/);
  const sql = "-- Long answers\nselect model, output_tokens from turns where output_tokens > :least order by 2";
  await page.goto(`${server.address}/#/dashboard?sql=${encodeURIComponent(sql)}&p.least=100`);
  await panel("Long answers").getByRole("row").nth(1).waitFor();
  await page.getByRole("textbox", { name: "least" }).fill("130");
  await button("Show").click();
  await page.waitForURL(/p\.least=130/);
  await page.getByRole("textbox", { name: "New SQL" }).fill("select 3 as completed_count, 4 as total_count; select 'big' as label, 7 as big_number");
  await button("Add").click();
  await page.getByRole("progressbar", { name: "3 of 4 (75 %)" }).waitFor();
  const before = page.url();
  page.once("dialog", (dialog) => dialog.accept("mine"));
  await button("Save these queries").click();
  await page.getByRole("heading", { name: "mine" }).waitFor();
  await page.getByRole("progressbar", { name: "3 of 4 (75 %)" }).waitFor();
  assert.notEqual(page.url(), before);
  await page.goto(before);
  await page.getByRole("progressbar", { name: "3 of 4 (75 %)" }).waitFor();
});

test("tables are sorted, counted and taken along; mistakes are pointed at", async () => {
  const go = (sql) => page.goto(`${server.address}/#/dashboard?sql=${encodeURIComponent(sql)}`);
  await go("-- Pairs\nselect value % 2 as odd, value from json_each('[1,2,3,4,5]')");
  const table = page.getByRole("region", { name: "Pairs" }).last();
  await page.getByRole("combobox", { name: "Column value" }).selectOption("down");
  assert.deepEqual(await table.getByRole("cell").allTextContents(), ["1", "5", "0", "4", "1", "3", "0", "2", "1", "1"]);
  const { name, text } = await downloaded(() => button("CSV").click());
  assert.equal(name, "pairs.csv");
  assert.equal(text, "odd,value\r\n1,5\r\n0,4\r\n1,3\r\n0,2\r\n1,1\r\n");
  await page.getByRole("combobox", { name: "Column odd" }).selectOption("count");
  assert.deepEqual(await table.getByRole("cell").allTextContents(), ["1", "3", "0", "2"]);
  await button("as it was").click();
  assert.equal(await table.getByRole("cell").count(), 10);
  await go("select 1 fron turns");
  await page.getByRole("alert").getByText("syntax error").waitFor();
  assert.equal(await page.getByRole("alert").locator("pre").textContent(), `select 1 fron turns\n${" ".repeat(14)}^`);
  await go("drop table turns");
  await page.getByRole("alert").getByText("only reading is allowed here").waitFor();
});
