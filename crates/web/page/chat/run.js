// An answer on its way. It goes on when the person looks at something else; the server keeps it.
import { api, changed, server, streamChat } from "../api.js";

/**
 * @typedef {import("./tree.js").Conversation} Conversation
 * @typedef {import("./tree.js").Message} Message
 * @typedef {import("../settings.js").Settings} Settings
 */

/** What is being answered, by conversation; "" for one that is not in the address yet. @type {Map<string, Run>} */
export const running = new Map();

export class Run extends EventTarget {
  /**
   * @param {string} conversation what the conversation is known by that the answer is kept in
   * @param {Message[]} messages everything that the model is given
   * @param {string} model
   * @param {Settings} settings
   */
  constructor(conversation, messages, model, settings) {
    super();
    this.conversation = conversation;
    this.messages = messages;
    this.model = model;
    this.text = "";
    /** @type {"waiting" | "answering" | "ended" | "failed"} */
    this.state = "waiting";
    /** @type {unknown} */
    this.error = null;
    this.control = new AbortController();
    this.options = optionsOf(settings);
    this.seed = settings.seed ?? randomSeed();
    this.begun = performance.now();
    /** @type {number | null} */
    this.firstToken = null;
    /** @type {import("../api.js").Usage | undefined} */
    this.usage = undefined;
    this.finish = "stop";
  }

  /** Draws the answer. Never fails: `state` and `error` say what happened. @param {string} [place] */
  async go(place = this.conversation) {
    running.set(place, this);
    try {
      await this.draw();
      this.state = "ended";
    } catch (error) {
      if (this.control.signal.aborted) {
        this.finish = "cancelled";
        this.state = "ended";
      } else {
        this.error = error;
        this.state = "failed";
      }
    }
    if (running.get(place) === this) running.delete(place);
    this.tell();
  }

  stop() {
    this.control.abort();
  }

  async draw() {
    const request = {
      model: this.model,
      messages: this.messages.map(({ role, text }) => ({ role, content: text })),
      seed: this.seed,
      thread: this.conversation,
      ...this.options,
    };
    for await (const piece of streamChat(request, this.control.signal)) {
      if (piece.usage) this.usage = piece.usage;
      if (piece.finish) this.finish = piece.finish;
      if (!piece.text) continue;
      this.firstToken ??= performance.now() - this.begun;
      this.state = "answering";
      this.text += piece.text;
      this.tell();
    }
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * The conversation with an answer that has just ended: the server keeps it a moment after it was sent.
 *
 * @param {string} conversation
 * @param {number} n how many answers it had before
 * @returns {Promise<Conversation | null>} nothing if it is not kept
 */
export async function kept(conversation, n) {
  if (!server.records) return null;
  const read = await api(`api/conversations/${conversation}?after=${n}`);
  if (read) changed("conversations");
  return read;
}

/**
 * A new name for a conversation, which sorts by time.
 * Source: the ULID specification, <https://github.com/ulid/spec>; in lower case, as the store has them.
 */
export function newId() {
  const digits = "0123456789abcdefghjkmnpqrstvwxyz";
  let time = Date.now();
  let text = "";
  for (let i = 0; i < 10; i += 1) {
    text = digits[time % 32] + text;
    time = Math.floor(time / 32);
  }
  return text + [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => digits[byte % 32]).join("");
}

/** Below 2^31, which every server takes as a seed. */
export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
}

/** What is set, as the protocol calls it; what is not set is the model's own. @param {Settings} settings */
export function optionsOf(settings) {
  const { temperature, top_p, top_k, min_p, max_tokens, stop } = settings;
  /** @type {Record<string, unknown>} */
  const options = {};
  for (const [name, value] of Object.entries({ temperature, top_p, top_k, min_p, max_tokens })) {
    if (value !== null && value !== undefined) options[name] = value;
  }
  if (stop) options.stop = stop.split("\n").filter(Boolean);
  return options;
}
