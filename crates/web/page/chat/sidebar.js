// The conversations that are kept, and the way to all views.
import { api, changed, changes, server } from "../api.js";
import { announce, download, html, Icon, IconButton, Problem, useAnswer, useEffect, useState, when } from "../ui.js";

/** @typedef {{ id: string, name: string | null, model: string, datetime_utc: string, n_turns: number }} Line */

/** How many conversations are listed before more are asked for. */
const PAGE = 40;

/** @param {{ current: string | null, onNavigate: () => void }} props */
export function Conversations({ current, onNavigate }) {
  const [limit, setLimit] = useState(PAGE);
  const { value, error, again } = useAnswer(
    () => /** @type {Promise<{ conversations: Line[], records: boolean }>} */ (api(`api/conversations?limit=${limit + 1}`)), [limit]);
  if (value) server.records = value.records;
  useEffect(() => {
    changes.addEventListener("conversations", again);
    return () => changes.removeEventListener("conversations", again);
  }, []);
  if (error) return html`<${Problem} error=${error} />`;
  const lines = value?.conversations ?? [];
  return html`<nav class="conversations" aria-label="Conversations">
    ${value && lines.length === 0 && html`<p class="soft">${value.records ? "Nothing is kept yet." : "Answers are not kept; `mynah logs on` changes that."}</p>`}
    <ul>${lines.slice(0, limit).map((line) => html`<li key=${line.id}><a href=${`#/chat/${line.id}`} onClick=${onNavigate}
      aria-current=${line.id === current ? "page" : undefined} title=${`${line.model}, ${when(line.datetime_utc)}`}>
      ${line.name || "without a name"}</a></li>`)}</ul>
    ${lines.length > limit && html`<button type="button" class="quiet" onClick=${() => setLimit(limit + PAGE)}>Older</button>`}
  </nav>`;
}

/** Saves everything, or takes in what was saved. */
export function Exchange() {
  const save = async () => {
    const all = await api("api/export");
    download(`mynah-${new Date().toISOString().slice(0, 10)}.json`, JSON.stringify(all), "application/json");
  };
  const take = (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    if (!file) return;
    file.text()
      .then((text) => api("api/import", { body: parsed(text) }))
      .then(({ conversations }) => {
        changed("conversations");
        announce(`${conversations} conversations were taken in`);
      })
      .catch((error) => alert(error.message))
      .finally(() => {
        input.value = "";
      });
  };
  return html`<span class="row"><${IconButton} icon="down" label="Export all conversations" onClick=${save} />
    <label class="icon-button" title="Import conversations"><${Icon} name="up" />
      <input type="file" accept="application/json,.json" class="hidden" aria-label="Import conversations" onChange=${take} /></label></span>`;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("this file is not JSON; conversations are imported from what Export wrote");
  }
}
