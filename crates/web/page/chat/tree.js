// A conversation as a tree of messages: what was edited or answered again stands beside what was there.

/**
 * @typedef {{ id: string, parent: string | null, tip: string | null, model: string, seed: string | null,
 *   options: Record<string, unknown>, input_tokens: number | null, output_tokens: number | null,
 *   first_token_ms: number | null, duration_ms: number | null, finish: string | null, datetime_utc: string }} Turn
 * @typedef {{ hash: string, parent: string | null, role: string, text: string }} Node
 * @typedef {{ id: string, name: string | null, tip: string | null, messages: Node[], turns: Turn[] }} Conversation
 * @typedef {{ role: string, text: string }} Message
 */

/**
 * The messages from the first to the one with this hash.
 *
 * @param {Conversation} conversation
 * @param {string | null} tip
 */
export function pathTo(conversation, tip) {
  const known = new Map(conversation.messages.map((node) => [node.hash, node]));
  /** @type {Node[]} */
  const path = [];
  let node = tip === null ? undefined : known.get(tip);
  while (node && path.length <= known.size) {
    path.push(node);
    node = node.parent === null ? undefined : known.get(node.parent);
  }
  return path.reverse();
}

/**
 * The messages that stand where this one stands, in the order in which they came.
 *
 * @param {Conversation} conversation
 * @param {Node} node
 */
export function siblings(conversation, node) {
  return conversation.messages.filter((other) => other.parent === node.parent && other.role === node.role);
}

/**
 * The newest end of a branch: the last message that follows the one with this hash.
 *
 * @param {Conversation} conversation
 * @param {string} hash
 */
export function newestEnd(conversation, hash) {
  /** When each message was last part of a turn; turns are in the order of time. @type {Map<string, number>} */
  const last = new Map();
  conversation.turns.forEach((turn, i) => {
    for (const node of pathTo(conversation, turn.tip)) last.set(node.hash, i);
  });
  let end = hash;
  for (let n = 0; n < conversation.messages.length; n += 1) {
    const children = conversation.messages.filter((node) => node.parent === end);
    if (children.length === 0) break;
    end = children.reduce((a, b) => ((last.get(b.hash) ?? -1) >= (last.get(a.hash) ?? -1) ? b : a)).hash;
  }
  return end;
}

/**
 * How an answer was drawn, the last time that it was.
 *
 * @param {Conversation} conversation
 * @param {Node} node
 */
export function turnOf(conversation, node) {
  return conversation.turns.findLast((turn) => turn.tip === node.hash);
}

/**
 * The conversation with an answer more, for when nobody keeps it.
 *
 * @param {Conversation} conversation
 * @param {Message[]} messages
 * @param {{ text: string, model: string, seed: number, finish: string }} answer
 * @returns {Conversation}
 */
export function withAnswer(conversation, messages, { text, model, seed, finish }) {
  const nodes = [...conversation.messages];
  /** @type {string | null} */
  let parent = null;
  let before = null;
  for (const message of [...messages, { role: "assistant", text }]) {
    const same = nodes.find((node) => node.parent === parent && node.role === message.role && node.text === message.text);
    /** @type {Node} */
    const node = same ?? { hash: `local-${nodes.length}`, parent, role: message.role, text: message.text };
    if (!same) nodes.push(node);
    before = parent;
    parent = node.hash;
  }
  /** @type {Turn} */
  const turn = {
    id: `local-${conversation.turns.length}`, parent: before, tip: parent, model, seed: String(seed), options: {}, input_tokens: null,
    output_tokens: null, first_token_ms: null, duration_ms: null, finish, datetime_utc: new Date().toISOString(),
  };
  return { ...conversation, tip: parent, messages: nodes, turns: [...conversation.turns, turn] };
}
