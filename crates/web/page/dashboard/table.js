// A table that can be sorted, counted by a column, and taken along.
import { download, fileName, html, number, useState } from "../ui.js";
import { plain } from "./widgets.js";

/** @typedef {import("./widgets.js").Table} Table */
/** @typedef {import("./widgets.js").Value} Value */

/** @param {{ table: Table, name: string }} props */
export function TableView({ table, name }) {
  const [sort, setSort] = useState(/** @type {{ column: number, by: 1 | -1 } | null} */ (null));
  const [counted, setCounted] = useState(/** @type {number | null} */ (null));
  const shown = counted === null ? table : counts(table, counted);
  const rows = sort === null ? shown.rows : shown.rows.toSorted((a, b) => sort.by * compare(a[sort.column], b[sort.column]));
  const isNumeric = shown.columns.map((_, i) => shown.rows.every((row) => row[i] === null || typeof row[i] === "number"));
  const choose = (/** @type {number} */ column, /** @type {Event} */ event) => {
    const select = /** @type {HTMLSelectElement} */ (event.target);
    const what = select.value;
    select.value = "";
    if (what === "up" || what === "down") setSort({ column, by: what === "up" ? 1 : -1 });
    if (what === "count") {
      setCounted(column);
      setSort({ column: 1, by: -1 });
    }
  };
  const back = () => {
    setCounted(null);
    setSort(null);
  };
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${name}><table>
    <thead><tr>${shown.columns.map((column, i) => html`<th class=${isNumeric[i] ? "right" : ""} aria-sort=${sort?.column === i ? (sort.by === 1 ? "ascending" : "descending") : undefined}>
      <label class="column-menu">${column}${sort?.column === i && (sort.by === 1 ? " ↑" : " ↓")}<select aria-label=${`Column ${column}`} onChange=${(/** @type {Event} */ event) => choose(i, event)}>
        <option value="" hidden></option><option value="up">smallest first</option><option value="down">largest first</option>
        ${counted === null && html`<option value="count">count each value</option>`}</select></label></th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((value, i) => html`<td class=${isNumeric[i] ? "right" : ""}>${typeof value === "number" && isNumeric[i] ? number(value) : plain(value)}</td>`)}</tr>`)}</tbody></table></div>
    <div class="row wrap soft">${table.is_cut ? `the first ${number(table.rows.length)} rows` : `${number(shown.rows.length)} ${shown.rows.length === 1 ? "row" : "rows"}`}
      ${(counted !== null || sort) && html`<button type="button" class="quiet" onClick=${back}>as it was</button>`}<span class="grow"></span>
      ${["CSV", "TSV", "JSON"].map((kind) => html`<button type="button" class="quiet" onClick=${() => save({ ...shown, rows }, name, kind)}>${kind}</button>`)}</div>`;
}

/** How often each value of a column is there. @param {Table} table @param {number} column @returns {Table} */
function counts(table, column) {
  /** @type {Map<string, { value: Value, count: number }>} */
  const found = new Map();
  for (const row of table.rows) {
    const value = row[column];
    const known = found.get(JSON.stringify(value));
    if (known) known.count += 1;
    else found.set(JSON.stringify(value), { value, count: 1 });
  }
  const rows = [...found.values()].map(({ value, count }) => [value, count]);
  return { ...table, columns: [table.columns[column], "count"], rows };
}

/** As SQLite sorts: nothing, numbers, texts. @param {Value} a @param {Value} b */
export function compare(a, b) {
  const kind = (/** @type {Value} */ value) => (value === null ? 0 : typeof value === "number" ? 1 : 2);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return kind(a) - kind(b) || plain(a).localeCompare(plain(b));
}

/** @param {Table} table @param {string} name @param {string} kind */
function save(table, name, kind) {
  const types = { CSV: "text/csv", TSV: "text/tab-separated-values", JSON: "application/json" };
  const text = kind === "JSON" ? asJson(table) : separated(table, kind === "CSV" ? "," : "\t");
  download(`${fileName(name)}.${kind.toLowerCase()}`, text, types[/** @type {keyof typeof types} */ (kind)]);
}

/** @param {Table} table */
export function asJson({ columns, rows }) {
  return JSON.stringify(rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i], typeof value === "object" ? value && plain(value) : value]))), null, 2);
}

/**
 * Source: RFC 4180 for commas. Tabs and ends of lines have no place between tabs: they become spaces.
 *
 * @param {Table} table @param {"," | "\t"} mark
 */
export function separated({ columns, rows }, mark) {
  const field = (/** @type {string} */ text) => {
    if (mark === "\t") return text.replace(/[\t\r\n]+/g, " ");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const end = mark === "," ? "\r\n" : "\n";
  return [columns, ...rows.map((row) => row.map(plain))].map((row) => row.map(field).join(mark) + end).join("");
}
