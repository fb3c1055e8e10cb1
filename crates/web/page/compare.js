// One prompt, several models or ways to ask: answers side by side, and the experiment that decides.
import { changed, textOf } from "./api.js";
import { Arriving, ModelPicker } from "./chat/message.js";
import { newId, optionsOf, randomSeed, Run } from "./chat/run.js";
import { saveSettings, savedSettings, SettingsForm } from "./settings.js";
import { Markdown } from "./text/markdown-view.js";
import {
  announce, CopyButton, download, fileName, html, Icon, IconButton, number, Problem, remember, remembered, useEffect, useState,
} from "./ui.js";

/**
 * @typedef {{ model: string, system: string, wording: string }} Column
 * @typedef {{ type: string, argument: string }} Check
 */

/** More than this nobody compares at a glance, and browsers hold six connections to a server. */
const MOST = 4;

/** What an answer can be measured by; the second is what the check wants to know.
 * @type {Record<string, { label: string, wants: string }>} */
const CHECKS = {
  words: { label: "its number of words", wants: "" },
  contains: { label: "whether it contains", wants: "a text" },
  regex: { label: "whether it matches", wants: "a regular expression" },
  number: { label: "whether it ends on the number", wants: "a number" },
  json: { label: "whether it is JSON", wants: "" },
  markdown: { label: "whether it is valid Markdown", wants: "" },
  no_refusal: { label: "whether it does not refuse", wants: "" },
};

/** @param {{ models: string[] }} props */
export function Compare({ models }) {
  const [prompt, setPrompt] = useState(/** @type {string} */ (remembered("compare-prompt", "")));
  const [columns, setColumns] = useState(/** @type {Column[]} */ (remembered("compare-columns", [])));
  const [settings, setSettings] = useState(savedSettings);
  const [isSetting, setSetting] = useState(false);
  const [runs, setRuns] = useState(/** @type {(Run | undefined)[]} */ ([]));
  const shown = columns.length >= 2 ? columns : [0, 1].map((i) => column(models[i] ?? models[0] ?? ""));
  useRedrawnAll(runs);

  const change = (/** @type {Column[]} */ next) => {
    setColumns(next);
    remember("compare-columns", next);
  };
  const set = (/** @type {number} */ i, /** @type {Partial<Column>} */ part) =>
    change(shown.map((one, j) => (i === j ? { ...one, ...part } : one)));
  const isBusy = runs.some((run) => run && (run.state === "waiting" || run.state === "answering"));
  const canAsk = prompt.trim() !== "" && shown.every(({ model }) => model) && !isBusy;

  const ask = async () => {
    if (!canAsk) return;
    // All of them with one seed: then what differs is what was asked, and of whom.
    const given = { ...settings, seed: settings.seed ?? randomSeed() };
    // And in one conversation: they are versions of one answer.
    const thread = newId();
    const begun = shown.map((one) => new Run(thread, messagesOf(one, prompt), one.model, given));
    setRuns(begun);
    announce(`${begun.length} answers are on their way`);
    await Promise.all(begun.map((run, i) => run.go(`${thread} ${i}`)));
    changed("conversations");
    announce("All answers are there");
  };
  const stop = () => runs.forEach((run) => run?.stop());
  const save = (/** @type {typeof settings} */ next) => {
    setSettings(next);
    saveSettings({ ...next, system: "" });
  };

  return html`<div class="view compare">
    <header class="bar"><h1>Compare</h1><span class="grow"></span>
      <${IconButton} icon="plus" label="Add a column" disabled=${shown.length >= MOST} onClick=${() => change([...shown, column(shown[shown.length - 1].model)])} />
      <${IconButton} icon="sliders" label="Settings" pressed=${isSetting} onClick=${() => setSetting(!isSetting)} /></header>
    ${isSetting && html`<section class="panel" aria-label="Settings"><${SettingsForm} settings=${settings} onChange=${save} withSystem=${false} /></section>`}
    <form class="composer" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); ask(); }}><div class="field">
      <textarea rows=${Math.max(2, Math.min(10, prompt.split("\n").length))} aria-label="Prompt" placeholder="Ask all of them" value=${prompt}
        onInput=${(/** @type {Event} */ event) => { setPrompt(value(event)); remember("compare-prompt", value(event)); }}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask(); if (event.key === "Escape") stop(); }}></textarea>
      ${isBusy ? html`<button type="button" class="round stop" aria-label="Stop" title="Stop (Esc)" onClick=${stop}><${Icon} name="stop" /></button>`
        : html`<button class="round" aria-label="Ask all" title="Ask all (Ctrl+Enter)" disabled=${!canAsk}><${Icon} name="send" /></button>`}</div></form>
    <div class="columns">${shown.map((one, i) => html`<section class="card" key=${i} aria-label=${`Column ${i + 1}`}>
      <div class="row"><${ModelPicker} model=${one.model} names=${models} label=${`Model of column ${i + 1}`} onChange=${(/** @type {string} */ model) => set(i, { model })} />
        ${shown.length > 2 && html`<${IconButton} icon="close" label=${`Remove column ${i + 1}`} onClick=${() => { change(shown.filter((_, j) => j !== i)); setRuns(runs.filter((_, j) => j !== i)); }} />`}</div>
      <details open=${Boolean(one.system || one.wording)}><summary>Asked differently</summary>
        <label>System prompt<textarea rows="2" value=${one.system} onInput=${(/** @type {Event} */ event) => set(i, { system: value(event) })}></textarea></label>
        <label>Prompt <span class="soft">instead of the one above; {{prompt}} stands for it</span><textarea rows="2" value=${one.wording} placeholder="{{prompt}}"
          onInput=${(/** @type {Event} */ event) => set(i, { wording: value(event) })}></textarea></label></details>
      <${Answer} run=${runs[i]} />
    </section>`)}</div>
    <${Experiment} prompt=${prompt} columns=${shown} settings=${settings} />
  </div>`;
}

/** @param {string} model @returns {Column} */
function column(model) {
  return { model, system: "", wording: "" };
}

/** @param {Event} event */
function value(event) {
  return /** @type {HTMLTextAreaElement} */ (event.target).value;
}

/** What a column says of the prompt. @param {Column} column @param {string} prompt */
function promptOf({ wording }, prompt) {
  return wording.trim() ? wording.replaceAll("{{prompt}}", () => prompt) : prompt;
}

/** @param {Column} column @param {string} prompt */
function messagesOf(column, prompt) {
  const asked = { role: "user", text: promptOf(column, prompt) };
  return column.system.trim() ? [{ role: "system", text: column.system.trim() }, asked] : [asked];
}

/** @param {{ run?: Run }} props */
function Answer({ run }) {
  if (!run) return html`<p class="soft empty">The answer comes here.</p>`;
  if (run.state === "failed") return html`<${Problem} error=${run.error} />`;
  if (run.state !== "ended") return html`<${Arriving} run=${run} />`;
  const tokens = run.usage?.completion_tokens;
  return html`<article class="message assistant" aria-label=${`Answer of ${run.model}`}>
    <div class="said markdown"><${Markdown} text=${run.text} /></div>
    <footer><${CopyButton} text=${run.text} label="Copy answer" />
      <span class="soft facts">${[tokens !== undefined && `${number(tokens)} tokens`, `seed ${run.seed}`].filter(Boolean).join(" · ")}</span></footer></article>`;
}

/** @param {(Run | undefined)[]} runs */
function useRedrawnAll(runs) {
  const [, setRound] = useState(0);
  useEffect(() => {
    let asked = 0;
    const more = () => {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        setRound((round) => round + 1);
      });
    };
    runs.forEach((run) => run?.addEventListener("change", more));
    return () => {
      cancelAnimationFrame(asked);
      runs.forEach((run) => run?.removeEventListener("change", more));
    };
  }, [runs]);
}

/**
 * The same as an experiment: a glance at one answer each says little.
 *
 * @param {{ prompt: string, columns: Column[], settings: import("./settings.js").Settings }} props
 */
function Experiment({ prompt, columns, settings }) {
  const [check, setCheck] = useState(/** @type {Check} */ ({ type: "words", argument: "" }));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [saved, setSaved] = useState("");
  const { wants } = CHECKS[check.type];
  const isReady = prompt.trim() !== "" && (wants === "" || check.argument !== "");
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setError(null);
    const name = fileName(prompt);
    const { stop, ...sampling } = optionsOf(settings);
    const columnsAsked = columns.map((one) => ({ model: one.model, system: one.system.trim() || null, prompt: promptOf(one, prompt) }));
    try {
      const text = await textOf("api/experiment-file", { name, columns: columnsAsked, sampling: stop ? { ...sampling, stop } : sampling, seed: settings.seed, check });
      download(`${name}.toml`, text, "application/toml");
      setSaved(name);
    } catch (error) {
      setError(error);
    }
  };
  return html`<form class="card experiment" aria-label="Experiment" onSubmit=${save}>
    <h2>Is the difference real?</h2>
    <p>One answer each says little. <code>mynah try</code> draws many, and says in a sentence which is better and by how much.</p>
    <div class="row wrap"><label>An answer is measured by
      <select value=${check.type} onChange=${(/** @type {Event} */ event) => setCheck({ type: /** @type {HTMLSelectElement} */ (event.target).value, argument: "" })}>
        ${Object.entries(CHECKS).map(([type, { label }]) => html`<option value=${type}>${label}</option>`)}</select></label>
      ${wants && html`<label>${wants}<input value=${check.argument} onInput=${(/** @type {Event} */ event) => setCheck({ ...check, argument: value(event) })} /></label>`}
      <button class="primary" disabled=${!isReady}><${Icon} name="down" />Save the experiment</button></div>
    ${error !== null && html`<${Problem} error=${error} />`}
    ${saved && html`<p role="status">Then, where it was saved: <code>mynah try ${saved}.toml --plan</code> says what it can show, <code>mynah try ${saved}.toml</code> runs it.</p>`}
  </form>`;
}
