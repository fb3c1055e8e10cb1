// Shows Markdown as elements. Whatever the text says, it becomes text nodes: markup is never parsed.
import { Component, CopyButton, html } from "../ui.js";
import { highlight } from "./highlight.js";
import { blocks, inlines } from "./markdown.js";

/** @typedef {import("./markdown.js").Block} Block */
/** @typedef {import("./markdown.js").Inline} Inline */

/** How deep lists and quotations may stand in each other. */
const DEPTH = 8;

/** @param {{ text: string, depth?: number }} props */
export function Markdown({ text, depth = 0 }) {
  if (depth > DEPTH) return html`<p>${text}</p>`;
  const read = blocks(text);
  // The page has one heading above those of an answer, however deep those begin.
  const least = Math.min(...read.map((block) => (block.kind === "heading" ? block.level : 6)));
  return read.map((block, i) => html`<${Kept} key=${i} block=${raised(block, least)} depth=${depth} />`);
}

/**
 * A block with the level that its heading has on this page.
 *
 * @param {Block} block @param {number} least
 * @returns {Block & { tag?: number }}
 */
function raised(block, least) {
  return block.kind === "heading" ? { ...block, tag: Math.min(block.level - least + 2, 6) } : block;
}

/** A block that is drawn again only when it changes: of a long answer that arrives, the last. */
class Kept extends Component {
  /** @param {{ block: Block & { tag?: number }, depth: number }} props */
  shouldComponentUpdate(props) {
    return JSON.stringify(props.block) !== JSON.stringify(this.props.block);
  }

  /** @param {{ block: Block & { tag?: number }, depth: number }} props */
  render({ block, depth }) {
    return one(block, depth);
  }
}

/** @param {Block & { tag?: number }} block @param {number} depth */
function one(block, depth) {
  switch (block.kind) {
    case "heading":
      return html`<${`h${block.tag ?? block.level}`} class=${`h${block.level}`}>${inline(block.text)}<//>`;
    case "code":
      return html`<${Code} language=${block.language} text=${block.text} />`;
    case "quote":
      return html`<blockquote><${Markdown} text=${block.text} depth=${depth + 1} /></blockquote>`;
    case "rule":
      return html`<hr />`;
    case "list":
      return list(block, depth);
    case "table":
      return table(block);
    default:
      return html`<p>${inline(block.text)}</p>`;
  }
}

/** @param {Extract<Block, { kind: "list" }>} block @param {number} depth */
function list({ start, isTight, items }, depth) {
  const isOneLine = (/** @type {string} */ text) => isTight && !text.includes("\n");
  const shown = items.map(({ checked, text }) => html`<li class=${checked === null ? "" : "task"}>
    ${checked !== null && html`<input type="checkbox" checked=${checked} disabled aria-label=${checked ? "done" : "to do"} />`}
    ${isOneLine(text) && !/^\s*(?:[-*+>#|`~]|\d+[.)])/.test(text)
      ? inline(text) : html`<${Markdown} text=${text} depth=${depth + 1} />`}</li>`);
  const kind = isTight ? "tight" : "";
  return start === null ? html`<ul class=${kind}>${shown}</ul>` : html`<ol class=${kind} start=${start}>${shown}</ol>`;
}

/** @param {Extract<Block, { kind: "table" }>} block */
function table({ aligned, rows: [head, ...rows] }) {
  const cell = (/** @type {string} */ tag) => (/** @type {string} */ text, /** @type {number} */ i) =>
    html`<${tag} class=${aligned[i]}>${inline(text)}<//>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label="table"><table>
    <thead><tr>${head.map(cell("th"))}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map(cell("td"))}</tr>`)}</tbody></table></div>`;
}

/** @param {string} text */
function inline(text) {
  return inlines(text).map(shown);
}

/** @param {Inline} part @returns {any} */
function shown(part) {
  switch (part.kind) {
    case "text":
      return part.text;
    case "code":
      return html`<code>${part.text}</code>`;
    case "break":
      return html`<br />`;
    case "link":
      return html`<a href=${part.href} target="_blank" rel="noopener noreferrer nofollow">${part.children.map(shown)}</a>`;
    default:
      return html`<${part.kind}>${part.children.map(shown)}<//>`;
  }
}

/** @param {{ language: string, text: string }} props */
export function Code({ language, text }) {
  const pieces = highlight(text, language).map(([kind, text]) =>
    kind ? html`<span class=${`t-${kind}`}>${text}</span>` : text);
  return html`<figure class="code"><figcaption><span>${language || "text"}</span>
    <${CopyButton} text=${text} label="Copy code" /></figcaption>
    <pre tabindex="0"><code>${pieces}</code></pre></figure>`;
}
