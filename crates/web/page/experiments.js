// Experiments: what there was, what came out, what is running.
import { api, hasKey, textOf } from "./api.js";
import { Markdown } from "./text/markdown-view.js";
import { download, fileName, html, Icon, number, Problem, useAnswer, useEffect, when } from "./ui.js";

/**
 * @typedef {{ id: string, name: string, state: string, created_utc: string, ended_utc: string | null,
 *   models: string[], n_done: number, n_planned: number | null, has_report: boolean }} Line
 * @typedef {{ arm: string, samples: number, characters: number, tokens: number | null }} Arm
 * @typedef {{ arm: string, system: string | null, prompt: string }} Prompt
 * @typedef {{ arm: string, input: string, repeat: number, answer: string, finish: string }} Sample
 */

/** How often a running one is looked at. */
const EVERY_MS = 1500;

/** @param {{ rest: string | null }} props */
export function Experiments({ rest }) {
  return rest === null ? html`<${List} />` : html`<${One} id=${rest} />`;
}

function List() {
  const { value, error, again } = useAnswer(() => /** @type {Promise<{ experiments: Line[] }>} */ (api("api/experiments")), []);
  useRepeated(value?.experiments.some((line) => line.state === "running") ?? false, again);
  const lines = value?.experiments ?? [];
  return html`<div class="view"><header class="bar"><h1>Experiments</h1></header>
    ${error && html`<${Problem} error=${error} />`}
    ${value && lines.length === 0 && html`<div class="welcome"><h2>None yet.</h2><p><a href="#/compare">Compare</a> two prompts, save the experiment, and run it with <code>mynah try</code>.</p></div>`}
    <ul class="cards wide">${lines.map((line) => html`<li class="card" key=${line.id}>
      <div class="row"><h2><a href=${`#/experiments/${line.id}`}>${line.name}</a></h2><span class="grow"></span><${Badge} state=${line.state} /></div>
      <p class="soft">${[line.models.join(", "), when(line.created_utc)].filter(Boolean).join(" · ")}</p>
      <${Progress} line=${line} />
      ${line.has_report && html`<p><${Report} id=${line.id} /></p>`}</li>`)}</ul></div>`;
}

/** @param {{ id: string }} props */
function One({ id }) {
  const address = `api/experiments/${encodeURIComponent(id)}`;
  const { value, error, again } = useAnswer(
    () => /** @type {Promise<Line & { arms: Arm[], samples: Sample[], prompts: Prompt[] }>} */ (api(address)), [id]);
  useRepeated(value?.state === "running", again);
  if (error) return html`<${Problem} error=${error} />`;
  if (!value) return null;
  return html`<div class="view"><header class="bar"><h1>${value.name}</h1><span class="grow"></span><${Badge} state=${value.state} /></header>
    <p class="soft">${[value.models.join(", "), `begun ${when(value.created_utc)}`, value.ended_utc && `ended ${when(value.ended_utc)}`].filter(Boolean).join(" · ")}</p>
    <${Progress} line=${value} />
    ${value.has_report && html`<p><${Report} id=${id} /></p>`}
    <section aria-label="Variants"><h2>Variants</h2><div class="scroll" tabindex="0" role="group" aria-label="Variants"><table>
      <thead><tr><th>variant</th><th class="right">samples</th><th class="right">characters, mean</th><th class="right">tokens, mean</th></tr></thead>
      <tbody>${value.arms.map((arm) => html`<tr><td>${arm.arm}</td><td class="right">${number(arm.samples)}</td><td class="right">${number(Math.round(arm.characters))}</td>
        <td class="right">${arm.tokens === null ? "" : number(Math.round(arm.tokens))}</td></tr>`)}</tbody></table></div>
      ${value.prompts.map(({ arm, system, prompt }) => html`<details key=${arm}><summary>Prompt of ${arm}</summary>
        ${system !== null && html`<pre class="plain" tabindex="0">${system}</pre>`}<pre class="plain" tabindex="0">${prompt}</pre></details>`)}</section>
    <section aria-label="Newest answers"><h2>Newest answers</h2><div class="columns">${value.samples.map((sample) => html`<article class="card" key=${`${sample.arm} ${sample.input} ${sample.repeat}`}>
      <p class="soft">${sample.arm}, input ${sample.input}, ${sample.repeat + 1}</p><div class="markdown"><${Markdown} text=${sample.answer} /></div></article>`)}</div></section>
  </div>`;
}

/** @param {{ id: string, of?: string }} props */
export function Report({ id, of = "experiments" }) {
  const address = `api/${of}/${encodeURIComponent(id)}/report`;
  if (!hasKey()) return html`<a class="button" href=${address} target="_blank" rel="noopener"><${Icon} name="chart" />Open the report</a>`;
  const save = async () => download(`${fileName(id)}.html`, await textOf(address), "text/html");
  return html`<button type="button" onClick=${save}><${Icon} name="down" />Save the report</button>`;
}

/** @param {{ state: string }} props */
export function Badge({ state }) {
  const kind = { finished: "good", running: "busy", failed: "bad" }[state] ?? "";
  return html`<span class=${`badge ${kind}`}>${state}</span>`;
}

/** @param {{ line: Line }} props */
function Progress({ line }) {
  const label = line.n_planned === null ? `${number(line.n_done)} samples` : `${number(line.n_done)} of ${number(line.n_planned)} samples`;
  return html`<div class="meter"><span>${label}</span>${line.state === "running" && line.n_planned !== null
    && html`<progress value=${line.n_done} max=${line.n_planned} aria-label=${label}></progress>`}</div>`;
}

/** Asks again and again while something is going on. @param {boolean} isGoing @param {() => void} again */
export function useRepeated(isGoing, again) {
  useEffect(() => {
    if (!isGoing) return undefined;
    const timer = setInterval(() => document.hidden || again(), EVERY_MS);
    return () => clearInterval(timer);
  }, [isGoing]);
}
