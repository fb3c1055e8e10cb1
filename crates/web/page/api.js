// Talks to the server: /api for what is kept, /v1 for answers, in OpenAI's protocol.

/** What the server did not do, in its own words. */
export class ApiError extends Error {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Tells the page's parts of what changed: "conversations", "key". */
export const changes = new EventTarget();

/** @param {"conversations" | "key"} what */
export function changed(what) {
  changes.dispatchEvent(new Event(what));
}

/** Whether the server keeps answers; it says so with the list of conversations. */
export const server = { records: true };

/** Whether a key is shown, which links cannot do. */
export function hasKey() {
  return sessionStorage.getItem("mynah-key") !== null;
}

/** @param {string} key */
export function setKey(key) {
  sessionStorage.setItem("mynah-key", key);
}

/**
 * @param {string} path
 * @param {{ method?: string, body?: unknown, signal?: AbortSignal}} [options]
 */
async function ask(path, { method, body, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = {};
  const key = sessionStorage.getItem("mynah-key");
  if (key) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("the server cannot be reached; is `mynah serve` running?", 0);
  }
  if (!response.ok) {
    if (response.status === 401) changed("key");
    throw new ApiError(await reason(response), response.status);
  }
  return response;
}

/** @param {Response} response */
async function reason(response) {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    return String(error.message ?? error);
  } catch {
    return text || `the server says ${response.status} ${response.statusText}`;
  }
}

/**
 * Asks for JSON.
 *
 * @param {string} path
 * @param {{ method?: string, body?: unknown, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function api(path, options) {
  const response = await ask(path, options);
  return response.status === 204 ? undefined : response.json();
}

/** Asks for text. @param {string} path @param {unknown} [body] */
export async function textOf(path, body) {
  return (await ask(path, { body })).text();
}

/**
 * @typedef {{ text?: string, finish?: string, usage?: Usage }} Piece
 * @typedef {{ prompt_tokens: number, completion_tokens: number,
 *   prompt_tokens_details?: { cached_tokens?: number } }} Usage
 */

/**
 * Streams an answer.
 *
 * @param {object} request as /v1/chat/completions takes it, without `stream`
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Piece>}
 */
export async function* streamChat(request, signal) {
  const body = { ...request, stream: true, stream_options: { include_usage: true } };
  const response = await ask("v1/chat/completions", { body, signal });
  if (!response.body) return;
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(String(chunk.error.message ?? chunk.error), 500);
    const choice = chunk.choices?.[0];
    yield {
      text: choice?.delta?.content ?? undefined,
      finish: choice?.finish_reason ?? undefined,
      usage: chunk.usage ?? undefined,
    };
  }
}

/**
 * The data of server-sent events, one by one.
 * Source: the HTML standard, "Server-sent events", of which only `data` is used here.
 *
 * @param {ReadableStream<Uint8Array>} stream
 */
export async function* events(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  /** @type {string[]} */
  let lines = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += decoder.decode(value, { stream: !done });
      const whole = rest.split(/\r\n|\n|\r(?!$)/);
      rest = done ? "" : (whole.pop() ?? "");
      for (const line of whole) {
        if (line.startsWith("data:")) lines.push(line.slice(line[5] === " " ? 6 : 5));
        if (line === "" && lines.length > 0) {
          yield lines.join("\n");
          lines = [];
        }
      }
      if (done) {
        if (lines.length > 0) yield lines.join("\n");
        return;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
