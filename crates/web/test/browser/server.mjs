// Starts the scripted server and a browser for it.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

/** Where browsers are, on the systems that people use. */
const BROWSERS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

/** Where pictures of the views go. */
export const PICTURES = process.env.MYNAH_PAGE_PICTURES ?? join(tmpdir(), "mynah-page");

/** The address of a server with a store of its own, and a way to end it. */
export async function serve() {
  const folder = mkdtempSync(join(tmpdir(), "mynah-page-"));
  const server = spawn(process.env.MYNAH_PAGE_SERVER, [folder], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const address = await Promise.race([
    new Promise((resolve) => createInterface(server.stdout).once("line", resolve)),
    ended.then((code) => { throw new Error(`the server ended with ${code}`); }),
  ]);
  const end = async () => {
    server.stdin.end();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { address, end };
}

export async function browser() {
  const executablePath = BROWSERS.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("no Chromium is here; CHROMIUM=PATH names one");
  mkdirSync(PICTURES, { recursive: true });
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

/**
 * A page in a browser of its own. Whatever it complains of, or asks of another server, is a fault.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} address
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function open(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const faults = [];
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith("blob:")) faults.push(`asked ${request.url()}`);
  });
  page.setDefaultTimeout(10_000);
  return { page, context, faults };
}
