// Draws results: bars, words, large numbers, progress, Markdown; everything else is a table.
import { Markdown } from "../text/markdown-view.js";
import { html, number } from "../ui.js";
import { TableView } from "./table.js";

/**
 * A text, a number, nothing, or bytes. Numbers beyond what the browser can hold come as texts.
 * @typedef {string | number | null | { bytes: string }} Value
 * @typedef {{ columns: string[], rows: Value[][], is_cut: boolean, shape: "table" | "bars" | "word_cloud"
 *   | "big_number" | "progress" | "markdown" | "html" }} Table
 */

/** @param {Value} value */
export function plain(value) {
  if (value === null) return "";
  return typeof value === "object" ? `x'${value.bytes}'` : String(value);
}

/** @param {{ table: Table, name: string }} props */
export function Result({ table, name }) {
  const column = (/** @type {string} */ name) => {
    const at = table.columns.indexOf(name);
    return table.rows.map((row) => row[at]);
  };
  const numbers = (/** @type {string} */ name) => column(name).map(Number);
  if (table.rows.length === 0) return html`<p class="soft">Nothing yet.</p>`;
  switch (table.shape) {
    case "bars":
      return html`<${Bars} labels=${column("bar_label").map(plain)} quantities=${numbers("bar_quantity")} />`;
    case "word_cloud":
      return html`<${Words} words=${column("wordcloud_word").map(plain)} counts=${numbers("wordcloud_count")} />`;
    case "big_number":
      return table.rows.map((_, i) => html`<p class="big"><strong>${shown(column("big_number")[i])}</strong><span>${plain(column("label")[i])}</span></p>`);
    case "progress":
      return table.rows.map((_, i) => html`<${Share} done=${numbers("completed_count")[i]} total=${numbers("total_count")[i]} />`);
    case "markdown":
      return table.rows.map(([text]) => html`<div class="markdown"><${Markdown} text=${plain(text)} /></div>`);
    case "html":
      // What a database says is markup is shown as it is written: this page renders none.
      return table.rows.map(([text]) => html`<pre class="plain" tabindex="0">${plain(text)}</pre>`);
    default:
      return html`<${TableView} table=${table} name=${name} />`;
  }
}

/** @param {Value} value */
function shown(value) {
  return typeof value === "number" ? number(value) : plain(value);
}

/** @param {{ labels: string[], quantities: number[] }} props */
function Bars({ labels, quantities }) {
  const largest = Math.max(...quantities.map(Math.abs)) || 1;
  return html`<table class="bars"><tbody>${labels.map((label, i) => html`<tr><th scope="row" title=${label}>${label}</th>
    <td class="bar-cell"><svg class=${quantities[i] < 0 ? "bar-line below" : "bar-line"} viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect width=${(Math.abs(quantities[i]) / largest) * 100} height="10" /></svg></td>
    <td class="right">${number(quantities[i])}</td></tr>`)}</tbody></table>`;
}

/** Words in the order of the alphabet, as large as they are frequent. @param {{ words: string[], counts: number[] }} props */
function Words({ words, counts }) {
  const largest = Math.max(...counts, 1);
  const sorted = words.map((word, i) => ({ word, count: counts[i] })).sort((a, b) => a.word.localeCompare(b.word));
  // By the logarithm, in six sizes: counts of words fall steeply.
  const size = (/** @type {number} */ count) => (largest > 1 ? Math.round((Math.log(Math.max(count, 1)) / Math.log(largest)) * 5) : 2);
  return html`<ul class="cloud">${sorted.map(({ word, count }) => html`<li key=${word} class=${`size-${size(count)}`} title=${`${number(count)} times`}>${word}<span class="hidden"> ${number(count)}</span></li>`)}</ul>`;
}

/** @param {{ done: number, total: number }} props */
function Share({ done, total }) {
  const share = total > 0 ? Math.min(done / total, 1) : 0;
  const label = `${number(done)} of ${number(total)} (${Math.round(share * 100)} %)`;
  return html`<div class="meter"><span>${label}</span><progress value=${share} max="1" aria-label=${label}></progress></div>`;
}
