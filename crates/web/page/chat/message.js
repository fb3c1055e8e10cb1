// A message, with what can be done to it.
import { CopyButton, html, Icon, IconButton, number, useEffect, useRef, useState } from "../ui.js";
import { Markdown } from "../text/markdown-view.js";

/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./tree.js").Turn} Turn */

/**
 * @param {{ node: Node, versions: Node[], onVersion: (node: Node) => void,
 *   onEdit: (text: string) => void, isBusy: boolean }} props
 */
export function Asked({ node, versions, onVersion, onEdit, isBusy }) {
  const [isOpen, setOpen] = useState(false);
  const done = (/** @type {string} */ text) => {
    setOpen(false);
    if (text.trim()) onEdit(text);
  };
  const name = node.role === "system" ? "System prompt" : "You";
  return html`<article class=${`message ${node.role}`} aria-label=${name}>
    ${node.role === "system" && html`<header>${name}</header>`}
    ${isOpen ? html`<${Editor} text=${node.text} onDone=${done} onCancel=${() => setOpen(false)} />`
      : html`<div class="said">${node.text}</div>`}
    ${!isOpen && html`<footer>
      <${Versions} node=${node} versions=${versions} onVersion=${onVersion} isBusy=${isBusy} />
      <${CopyButton} text=${node.text} label="Copy message" />
      ${node.role === "user" && html`<${IconButton} icon="edit" label="Edit message" disabled=${isBusy} onClick=${() => setOpen(true)} />`}
    </footer>`}
  </article>`;
}

/** @param {{ text: string, onDone: (text: string) => void, onCancel: () => void }} props */
function Editor({ text, onDone, onCancel }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(text.length, text.length);
  }, []);
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) onDone(area.current?.value ?? "");
  };
  return html`<div class="editor"><textarea ref=${area} aria-label="Edit message" defaultValue=${text} rows=${Math.min(12, text.split("\n").length + 1)}
      onKeyDown=${keys}></textarea>
    <div class="row"><button type="button" onClick=${onCancel}>Cancel</button>
      <button type="button" class="primary" onClick=${() => onDone(area.current?.value ?? "")}>Send as a new branch</button></div></div>`;
}

/**
 * @param {{ node: Node, versions: Node[], onVersion: (node: Node) => void, isBusy: boolean }} props
 */
function Versions({ node, versions, onVersion, isBusy }) {
  if (versions.length < 2) return null;
  const at = versions.findIndex((other) => other.hash === node.hash);
  const go = (/** @type {number} */ by) => onVersion(versions[at + by]);
  return html`<span class="versions" role="group" aria-label="Versions">
    <${IconButton} icon="left" label="Previous version" disabled=${isBusy || at === 0} onClick=${() => go(-1)} />
    <span>${at + 1} of ${versions.length}</span>
    <${IconButton} icon="right" label="Next version" disabled=${isBusy || at + 1 === versions.length} onClick=${() => go(1)} />
  </span>`;
}

/**
 * @param {{ node: Node, turn?: Turn, versions: Node[], onVersion: (node: Node) => void,
 *   onAgain: () => void, isBusy: boolean }} props
 */
export function Answered({ node, turn, versions, onVersion, onAgain, isBusy }) {
  const model = turn?.model ?? "Model";
  return html`<article class="message assistant" aria-label=${`Answer of ${model}`}>
    <header>${model}</header>
    <div class="said markdown"><${Markdown} text=${node.text} /></div>
    <footer>
      <${Versions} node=${node} versions=${versions} onVersion=${onVersion} isBusy=${isBusy} />
      <${CopyButton} text=${node.text} label="Copy answer" />
      <${IconButton} icon="again" label="Answer again" disabled=${isBusy} onClick=${onAgain} />
      ${turn && html`<span class="soft facts">${facts(turn)}</span>`}
    </footer>
  </article>`;
}

/** What is known of an answer, in a line. @param {Turn} turn */
function facts(turn) {
  const said = [];
  if (turn.output_tokens !== null) {
    said.push(`${number(turn.output_tokens)} tokens`);
    const writing = (turn.duration_ms ?? 0) - (turn.first_token_ms ?? 0);
    if (writing > 0 && turn.output_tokens > 1) {
      said.push(`${number(Math.round((turn.output_tokens - 1) / (writing / 1000)))} tokens/s`);
    }
  }
  const endings = { length: "cut at the longest answer", cancelled: "stopped" };
  const ending = endings[/** @type {keyof typeof endings} */ (turn.finish ?? "")];
  if (ending) said.push(ending);
  if (turn.seed !== null) said.push(`seed ${turn.seed}`);
  return said.join(" · ");
}

/** An answer on its way. @param {{ run: import("./run.js").Run }} props */
export function Arriving({ run }) {
  return html`<article class="message assistant arriving" aria-label=${`Answer of ${run.model}`} aria-busy="true">
    <header>${run.model}</header>
    <div class="said markdown">${run.text ? html`<${Markdown} text=${run.text} />` : html`<p class="thinking"><i></i><i></i><i></i></p>`}</div>
  </article>`;
}

/** @param {{ model: string, names: string[], onChange: (model: string) => void, label?: string }} props */
export function ModelPicker({ model, names, onChange, label = "Model" }) {
  return html`<label class="picker"><span class="hidden">${label}</span><select value=${model}
      onChange=${(/** @type {Event} */ event) => onChange(/** @type {HTMLSelectElement} */ (event.target).value)}>
    ${!names.includes(model) && html`<option value=${model}>${model || "no model yet"}</option>`}
    ${names.map((name) => html`<option value=${name}>${name}</option>`)}</select><${Icon} name="right" /></label>`;
}
