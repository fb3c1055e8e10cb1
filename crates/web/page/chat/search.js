// Looks for words in everything that was asked and answered.
import { api } from "../api.js";
import { Dialog, html, Problem, useEffect, useRef, useState, when } from "../ui.js";

/** @typedef {{ id: string, conversation: string | null, conversation_name: string | null,
 *   datetime_utc: string, model: string, prompt: string, response: string }} Hit */

/** @param {{ onClose: () => void, go: (hash: string) => void }} props */
export function Search({ onClose, go }) {
  const [words, setWords] = useState("");
  const [hits, setHits] = useState(/** @type {Hit[]} */ ([]));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [at, setAt] = useState(0);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const control = new AbortController();
    const ask = async () => {
      const found = words.trim() ? await api(`api/search?q=${encodeURIComponent(words)}`, { signal: control.signal }) : { hits: [] };
      setHits(found.hits);
      setError(null);
      setAt(0);
    };
    // Typing goes on meanwhile.
    const timer = setTimeout(() => ask().catch((error) => control.signal.aborted || setError(error)), 120);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [words]);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const open = (/** @type {Hit | undefined} */ hit) => {
    if (!hit?.conversation) return;
    go(`#/chat/${hit.conversation}`);
    onClose();
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      setAt(Math.max(0, Math.min(hits.length - 1, at + by)));
    } else if (event.key === "Enter") {
      event.preventDefault();
      open(hits[at]);
    }
  };
  return html`<${Dialog} label="Search conversations" class="search" onClose=${onClose}>
    <input type="search" aria-label="Search for" placeholder="Search everything that was said" value=${words} autofocus
      role="combobox" aria-expanded="true" aria-controls="hits" aria-activedescendant=${hits.length ? `hit-${at}` : undefined}
      onInput=${(/** @type {Event} */ event) => setWords(/** @type {HTMLInputElement} */ (event.target).value)} onKeyDown=${keys} />
    ${error !== null && html`<${Problem} error=${error} />`}
    <ul id="hits" role="listbox" aria-label="Found" ref=${list}>${hits.map((hit, i) => html`<li key=${hit.id} id=${`hit-${i}`}
      role="option" aria-selected=${i === at} onClick=${() => open(hit)}>
      <div class="row"><strong>${hit.conversation_name || "without a name"}</strong><span class="soft">${when(hit.datetime_utc)}</span></div>
      <p>${excerpt(hit.prompt, words)}</p><p class="soft">${excerpt(hit.response, words)}</p></li>`)}</ul>
    ${words.trim() && hits.length === 0 && error === null && html`<p class="soft">Nothing has these words.</p>`}
  <//>`;
}

/** The part of a text around the first of the words, with the words marked. @param {string} text @param {string} words */
function excerpt(text, words) {
  const wanted = words.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (wanted.length === 0) return text.slice(0, 160);
  const pattern = new RegExp(`(${wanted.join("|")})`, "giu");
  const first = text.search(pattern);
  const from = first < 60 ? 0 : first - 40;
  const piece = `${from > 0 ? "…" : ""}${text.slice(from, from + 160)}${text.length > from + 160 ? "…" : ""}`;
  return piece.split(pattern).map((part, i) => (i % 2 === 1 ? html`<mark>${part}</mark>` : part));
}
