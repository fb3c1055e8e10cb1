// The models of this computer: what is here, what is loaded, what could be fetched.
import { api } from "./api.js";
import { bytes, html, Icon, IconButton, Problem, useAnswer, useEffect, useState } from "./ui.js";

/**
 * @typedef {{ name: string, bytes: number, licence: string | null, is_loaded: boolean, in_use: number,
 *   memory_bytes: number | null }} Installed
 * @typedef {{ name: string, bytes: number, licence: string, description: string, needs_consent: boolean }} Known
 * @typedef {{ name: string, doing: string, done: number, of: number | null, state: "running" | "done" | "failed",
 *   error: string | null }} Pull
 * @typedef {{ installed: Installed[], known: Known[], pulls: Pull[], memory_bytes: number, memory_used: number }} Shelf
 */

/** How often the server is asked how far it is. */
const EVERY_MS = 700;

/** @param {{ onModels: () => void }} props */
export function Models({ onModels }) {
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [name, setName] = useState("");
  const { value, error, again } = useAnswer(() => /** @type {Promise<Shelf>} */ (api("api/models")), []);
  const isPulling = value?.pulls.some((pull) => pull.state === "running") ?? false;
  useEffect(() => {
    if (!isPulling) return undefined;
    const timer = setInterval(again, EVERY_MS);
    return () => {
      clearInterval(timer);
      onModels();
    };
  }, [isPulling]);
  const act = (/** @type {Promise<unknown>} */ action) => {
    setProblem(null);
    action.then(() => { again(); onModels(); }, setProblem);
  };
  const pull = (/** @type {string} */ name) => act(api("api/models/pull", { body: { name } }));
  const remove = (/** @type {Installed} */ model) => {
    if (confirm(`Remove ${model.name}? ${bytes(model.bytes)} are free again.`)) {
      act(api(`api/models?name=${encodeURIComponent(model.name)}`, { method: "DELETE" }));
    }
  };
  const missing = value?.known.filter((known) => !value.installed.some((model) => model.name === known.name)) ?? [];
  const pulls = value?.pulls.filter((pull) => pull.state !== "done") ?? [];

  return html`<div class="view"><header class="bar"><h1>Models</h1></header>
    ${error && html`<${Problem} error=${error} />`}${problem !== null && html`<${Problem} error=${problem} />`}
    ${value && html`
      <section aria-labelledby="here"><h2 id="here">On this computer</h2>
        <${Meter} label="Memory" done=${value.memory_used} of=${value.memory_bytes} />
        ${value.installed.length === 0 ? html`<p class="soft">None yet.</p>` : html`<ul class="cards">${value.installed.map((model) => html`<li class="card" key=${model.name}>
          <div class="row"><h3>${model.name}</h3><span class="grow"></span>
            <${IconButton} icon="trash" label=${`Remove ${model.name}`} onClick=${() => remove(model)} /></div>
          <p class="soft">${[bytes(model.bytes), model.licence].filter(Boolean).join(" · ")}</p>
          <p>${model.is_loaded ? html`<span class="badge good">loaded</span> ${model.memory_bytes !== null && `${bytes(model.memory_bytes)} in memory`}${model.in_use > 0 && `, ${model.in_use} ${model.in_use === 1 ? "request" : "requests"} now`}`
            : html`<span class="badge">not loaded</span>`}</p></li>`)}</ul>`}
      </section>
      ${pulls.length > 0 && html`<section aria-label="Being fetched" aria-live="polite"><h2>Being fetched</h2>${pulls.map((pull) => html`<div class="card" key=${pull.name}>
        <h3>${pull.name}</h3>${pull.state === "failed" ? html`<${Problem} error=${pull.error ?? "it failed"}><button type="button" onClick=${() => act(api("api/models/pull", { body: { name: pull.name } }))}>Try again</button><//>`
          : html`<${Meter} label=${pull.doing} done=${pull.done} of=${pull.of} />
            <button type="button" onClick=${() => act(api("api/models/pull", { body: { name: pull.name, stop: true } }))}>Stop</button>`}</div>`)}</section>`}
      <section aria-labelledby="more"><h2 id="more">Fetch one</h2>
        <form class="row wrap" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); if (name.trim()) pull(name.trim()); setName(""); }}>
          <label class="grow">Name or address<input value=${name} placeholder="hf:owner/repository/file.gguf" onInput=${(/** @type {Event} */ event) => setName(/** @type {HTMLInputElement} */ (event.target).value)} /></label>
          <button class="primary" disabled=${!name.trim()}><${Icon} name="down" />Fetch</button></form>
        <ul class="cards">${missing.map((known) => html`<li class="card" key=${known.name}>
          <div class="row"><h3>${known.name}</h3><span class="grow"></span>
            ${!known.needs_consent && html`<${IconButton} icon="down" label=${`Fetch ${known.name}`} disabled=${pulls.some((pull) => pull.name === known.name && pull.state === "running")} onClick=${() => pull(known.name)} />`}</div>
          <p>${known.description}</p><p class="soft">${bytes(known.bytes)} · ${known.licence}</p>
          ${known.needs_consent && html`<p class="soft">Its licence must be accepted once, in a terminal: <code>mynah pull ${known.name}</code></p>`}</li>`)}</ul>
      </section>`}
  </div>`;
}

/** How far something is. @param {{ label: string, done: number, of: number | null }} props */
export function Meter({ label, done, of }) {
  return html`<div class="meter"><div class="row"><span>${label}</span><span class="grow"></span><span class="soft">${bytes(done)}${of !== null && ` of ${bytes(of)}`}</span></div>
    <progress value=${of === null ? undefined : done} max=${of || 1} aria-label=${label}></progress></div>`;
}
