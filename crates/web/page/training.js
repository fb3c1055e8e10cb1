// Runs of training: what there was, what is running, the curves, what the models wrote.
import { api } from "./api.js";
import { Badge, Report, useRepeated } from "./experiments.js";
import { html, number, Problem, useAnswer, when } from "./ui.js";

/**
 * @typedef {{ id: string, name: string, state: string, folder: string, seed: number, steps: number, step: number,
 *   bits_per_byte: number | null, created_utc: string, ended_utc: string | null, has_report: boolean }} Line
 * @typedef {{ step: number, bits_per_byte: number | null, held_out: number | null }} Point
 * @typedef {{ step: number, prompt: string, text: string }} Sample
 * @typedef {Line & { points: Point[], samples: Sample[], config: string | null }} Training
 */

/** The sizes of the curve, in units of its own. */
const WIDTH = 720;
const HEIGHT = 240;
const LEFT = 44;
const BELOW = 24;

/** @param {{ rest: string | null }} props */
export function Trainings({ rest }) {
  return rest === null ? html`<${List} />` : html`<${One} id=${rest} />`;
}

function List() {
  const { value, error, again } = useAnswer(() => /** @type {Promise<{ trainings: Line[] }>} */ (api("api/trainings")), []);
  useRepeated(value?.trainings.some((line) => line.state === "running") ?? false, again);
  const lines = value?.trainings ?? [];
  return html`<div class="view"><header class="bar"><h1>Training</h1></header>
    ${error && html`<${Problem} error=${error} />`}
    ${value && lines.length === 0 && html`<div class="welcome"><h2>None yet.</h2><p><code>mynah train</code> builds a model from your own texts; what it comes to is shown here while it runs.</p></div>`}
    <ul class="cards wide">${lines.map((line) => html`<li class="card" key=${line.id}>
      <div class="row"><h2><a href=${`#/training/${line.id}`}>${line.name}</a></h2><span class="grow"></span><${Badge} state=${line.state} /></div>
      <p class="soft">${facts(line)}</p><${Progress} line=${line} />
      ${line.has_report && html`<p><${Report} id=${line.id} of="trainings" /></p>`}</li>`)}</ul></div>`;
}

/** @param {{ id: string }} props */
function One({ id }) {
  const { value, error, again } = useAnswer(
    () => /** @type {Promise<Training>} */ (api(`api/trainings/${encodeURIComponent(id)}`)), [id]);
  useRepeated(value?.state === "running", again);
  if (error) return html`<${Problem} error=${error} />`;
  if (!value) return null;
  return html`<div class="view"><header class="bar"><h1>${value.name}</h1><span class="grow"></span><${Badge} state=${value.state} /></header>
    <p class="soft">${facts(value)}</p><${Progress} line=${value} />
    ${value.has_report && html`<p><${Report} id=${id} of="trainings" /></p>`}
    <section aria-label="Bits per byte"><h2>Bits per byte</h2><${Curves} points=${value.points} steps=${value.steps} /></section>
    <section aria-label="Samples"><h2>Samples</h2><div class="columns">${value.samples.map((sample) => html`<article class="card" key=${`${sample.step} ${sample.prompt}`}>
      <p class="soft">after step ${number(sample.step)}</p><p><b>${sample.prompt}</b>${sample.text}</p></article>`)}</div></section>
    <section aria-label="Settings"><h2>Settings</h2><p class="soft">${value.folder}</p>
      <details><summary>Configuration</summary><pre class="plain" tabindex="0">${value.config ?? ""}</pre></details></section></div>`;
}

/** @param {Line} line */
function facts(line) {
  const measured = line.bits_per_byte === null ? "" : `${line.bits_per_byte.toFixed(4)} bits per byte of held-out text`;
  return [measured, `seed ${line.seed}`, `begun ${when(line.created_utc)}`, line.ended_utc && `ended ${when(line.ended_utc)}`]
    .filter(Boolean).join(" · ");
}

/** @param {{ line: Line }} props */
function Progress({ line }) {
  const label = `${number(line.step)} of ${number(line.steps)} steps`;
  return html`<div class="meter"><span>${label}</span>${line.state === "running"
    && html`<progress value=${line.step} max=${line.steps} aria-label=${label}></progress>`}</div>`;
}

/** @param {{ points: Point[], steps: number }} props */
function Curves({ points, steps }) {
  /** @param {"bits_per_byte" | "held_out"} what @returns {[number, number][]} */
  const values = (what) => points.flatMap((point) => (point[what] === null ? [] : [[point.step, /** @type {number} */ (point[what])]]));
  const [learnt, held] = [values("bits_per_byte"), values("held_out")];
  const all = [...learnt, ...held].map(([, y]) => y);
  if (all.length === 0) return html`<p class="soft">Nothing was measured yet.</p>`;
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const x = (/** @type {number} */ step) => LEFT + (step / Math.max(steps, 1)) * (WIDTH - LEFT - 8);
  const y = (/** @type {number} */ bits) => 8 + ((most - bits) / (most - least || 1)) * (HEIGHT - BELOW - 16);
  const line = (/** @type {[number, number][]} */ of) => of.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
  const last = (/** @type {[number, number][]} */ of) => (of.length ? of[of.length - 1][1].toFixed(3) : "none");
  return html`<figure class="curves"><svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`Training ${last(learnt)}, held out ${last(held)}`}>
      ${[least, (least + most) / 2, most].map((bits) => html`<line class="grid" x1=${LEFT} x2=${WIDTH - 8} y1=${y(bits)} y2=${y(bits)} /><text x=${LEFT - 6} y=${y(bits) + 4} text-anchor="end">${bits.toFixed(2)}</text>`)}
      ${[0, steps / 2, steps].map((step, i) => html`<text x=${x(step)} y=${HEIGHT - 4} text-anchor=${["start", "middle", "end"][i]}>${number(Math.round(step))}</text>`)}
      <polyline class="learnt" points=${line(learnt)} /><polyline class="held" points=${line(held)} /></svg>
    <figcaption class="soft"><span class="key learnt">training, ${last(learnt)}</span> <span class="key held">held out, ${last(held)}</span></figcaption></figure>`;
}
