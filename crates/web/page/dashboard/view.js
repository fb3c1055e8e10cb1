// Several questions in SQL on a page, each drawn as its columns ask for.
import { api } from "../api.js";
import { copyText, announce, html, Icon, IconButton, Problem, useAnswer, useEffect, useState } from "../ui.js";
import { joined, parameters, statements, title } from "./sql.js";
import { Result } from "./widgets.js";

/**
 * @typedef {import("./widgets.js").Table} Table
 * @typedef {{ tables?: Table[], error?: { message: string, offset: number | null } }} Answer
 * @typedef {{ name: string, sql: string, description: string | null, is_built_in: boolean }} Saved
 */

/** What is shown if nothing is asked for. */
const FIRST = "year";

/** @param {{ rest: string | null, query: string, go: (hash: string) => void }} props */
export function Dashboard({ rest, query, go }) {
  const given = new URLSearchParams(query);
  const asked = given.getAll("sql");
  const name = asked.length > 0 ? null : (rest ?? FIRST);
  const saved = useAnswer(() => /** @type {Promise<{ queries: Saved[] }>} */ (api("api/queries")), []);
  const own = saved.value?.queries.find((one) => one.name === name);
  const queries = asked.length > 0 ? asked : statements(own?.sql ?? "");
  const names = [...new Set(queries.flatMap(parameters))];
  const values = Object.fromEntries(names.map((one) => [one, given.get(`p.${one}`) ?? ""]));
  const isKnown = name === null || own !== undefined;
  const question = JSON.stringify({ queries, parameters: values });
  const { value, error } = useAnswer(async () => {
    const body = { queries, parameters: values };
    const answer = /** @type {{ results: Answer[] }} */ (queries.length ? await api("api/sql", { body }) : { results: [] });
    return { question, ...answer };
  }, [question]);
  // Those of before belong to other queries.
  const results = value?.question === question ? value.results : [];

  /** Goes to an address that says everything. @param {string[]} queries @param {Record<string, string>} values @param {string | null} [name] */
  const show = (queries, values, name = null) => {
    const next = new URLSearchParams();
    if (name === null) for (const sql of queries) next.append("sql", sql);
    for (const [key, text] of Object.entries(values)) if (text) next.append(`p.${key}`, text);
    go(`#/dashboard${name === null ? "" : `/${encodeURIComponent(name)}`}${next.size ? `?${next}` : ""}`);
  };
  const setQuery = (/** @type {number} */ i, /** @type {string} */ sql) =>
    show(sql.trim() ? queries.toSpliced(i, 1, ...statements(sql)) : queries.toSpliced(i, 1), values);
  const save = async () => {
    const wanted = prompt("Save these queries as", name && !own?.is_built_in ? name : "");
    if (!wanted?.trim()) return;
    await api("api/queries", { body: { name: wanted.trim(), sql: joined(queries) } });
    saved.again();
    show(queries, values, wanted.trim());
  };
  const remove = async () => {
    if (!name || !confirm(`Remove the queries called ${name}?`)) return;
    await api(`api/queries?name=${encodeURIComponent(name)}`, { method: "DELETE" });
    saved.again();
    go("#/dashboard");
  };
  const share = async () => {
    const address = new URL(location.href);
    const next = new URLSearchParams(queries.map((sql) => ["sql", sql]));
    for (const [key, text] of Object.entries(values)) if (text) next.append(`p.${key}`, text);
    address.hash = `#/dashboard?${next}`;
    await copyText(address.href);
    announce("The address is copied");
  };

  return html`<div class="view dashboard">
    <header class="bar"><h1>${heading(name, own)}</h1><span class="grow"></span>
      <${IconButton} icon="link" label="Copy the address" onClick=${share} />
      <${IconButton} icon="down" label="Save these queries" onClick=${save} />
      ${own && !own.is_built_in && html`<${IconButton} icon="trash" label="Remove these queries" onClick=${remove} />`}</header>
    <nav class="chips" aria-label="Saved queries">${(saved.value?.queries ?? []).map((one) => html`<a key=${one.name} href=${`#/dashboard/${encodeURIComponent(one.name)}`}
      aria-current=${one.name === name ? "page" : undefined} title=${one.description ?? undefined}>${one.name}</a>`)}</nav>
    ${names.length > 0 && html`<${Parameters} key=${names.join()} names=${names} values=${values} onChange=${(/** @type {Record<string, string>} */ next) => show(queries, next, name)} />`}
    ${saved.error && html`<${Problem} error=${saved.error} />`}${error && html`<${Problem} error=${error} />`}
    ${saved.value && !isKnown && html`<${Problem} error=${`nothing is saved as ${name}`} />`}
    <div class="panels">${queries.map((sql, i) => html`<${Panel} key=${`${i} ${sql}`} sql=${sql} answer=${results[i]} onChange=${(/** @type {string} */ sql) => setQuery(i, sql)} />`)}</div>
    <${NewQuery} onAdd=${(/** @type {string} */ sql) => show([...queries, ...statements(sql)], values)} />
  </div>`;
}

/** @param {string | null} name @param {Saved | undefined} own */
function heading(name, own) {
  if (name === FIRST && own?.is_built_in !== false) return "Your year in review";
  return name ?? "Dashboard";
}

/** @param {{ names: string[], values: Record<string, string>, onChange: (values: Record<string, string>) => void }} props */
function Parameters({ names, values, onChange }) {
  const [now, setNow] = useState(values);
  return html`<form class="card row wrap" aria-label="Parameters" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onChange(now); }}>
    ${names.map((name) => html`<label key=${name}>${name}<input value=${now[name] ?? ""} onInput=${(/** @type {Event} */ event) => setNow({ ...now, [name]: /** @type {HTMLInputElement} */ (event.target).value })} /></label>`)}
    <button class="primary">Show</button></form>`;
}

/** @param {{ sql: string, answer?: Answer, onChange: (sql: string) => void }} props */
function Panel({ sql, answer, onChange }) {
  const [isOpen, setOpen] = useState(false);
  const name = title(sql);
  const problem = answer?.error;
  const tables = answer?.tables ?? [];
  const isWide = problem !== undefined || isOpen || tables.some((table) => table.shape === "table" || table.shape === "word_cloud" || table.rows.length > 12);
  const isNumber = tables.length > 0 && tables.every((table) => table.shape === "big_number");
  return html`<section class=${`card panel-card ${isWide ? "whole" : ""} ${isNumber ? "number" : ""}`} aria-label=${name || "Query"}>
    <div class="row"><h2>${name}</h2><span class="grow"></span>
      <${IconButton} icon="edit" label=${`Edit query ${name}`} pressed=${isOpen} onClick=${() => setOpen(!isOpen)} class="faint" /></div>
    ${isOpen && html`<${Sql} sql=${sql} onDone=${onChange} />`}
    ${problem && html`<${Problem} error=${problem.message}>${problem.offset !== null && html`<pre class="plain">${pointed(sql, problem.offset)}</pre>`}<//>`}
    ${answer === undefined && html`<p class="soft">…</p>`}
    ${tables.map((table, i) => html`<${Result} key=${i} table=${table} name=${name || "query"} />`)}
  </section>`;
}

/** The line of a mistake, with a mark below it. @param {string} sql @param {number} offset in bytes */
function pointed(sql, offset) {
  const before = new TextDecoder().decode(new TextEncoder().encode(sql).slice(0, offset));
  const start = before.lastIndexOf("\n") + 1;
  return `${sql.slice(start).split("\n", 1)[0]}\n${" ".repeat(before.length - start)}^`;
}

/** @param {{ sql: string, onDone: (sql: string) => void }} props */
function Sql({ sql, onDone }) {
  const [text, setText] = useState(sql);
  useEffect(() => setText(sql), [sql]);
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) onDone(text);
  };
  return html`<form onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onDone(text); }}>
    <textarea class="code" aria-label="SQL" spellcheck="false" rows=${Math.min(20, text.split("\n").length + 1)} value=${text}
      onInput=${(/** @type {Event} */ event) => setText(/** @type {HTMLTextAreaElement} */ (event.target).value)} onKeyDown=${keys}></textarea>
    <div class="row end"><button type="button" onClick=${() => onDone("")}>Take it away</button><button class="primary">Run</button></div></form>`;
}

/** @param {{ onAdd: (sql: string) => void }} props */
function NewQuery({ onAdd }) {
  const [text, setText] = useState("");
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!text.trim()) return;
    onAdd(text);
    setText("");
  };
  return html`<form class="card" aria-label="New query" onSubmit=${add}><h2>Ask something else</h2>
    <p class="soft">In SQL, over everything that is kept; it can only be read. <code>:name</code> becomes a field above. A comment in the first line is the title.
      Columns with certain names are drawn: <code>bar_label</code>, <code>bar_quantity</code>; <code>wordcloud_word</code>, <code>wordcloud_count</code>;
      <code>big_number</code>, <code>label</code>; <code>completed_count</code>, <code>total_count</code>; <code>markdown</code>.</p>
    <textarea class="code" aria-label="New SQL" spellcheck="false" rows="4" placeholder="select model, avg(duration_ms) from turns group by model" value=${text}
      onInput=${(/** @type {Event} */ event) => setText(/** @type {HTMLTextAreaElement} */ (event.target).value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) add(event); }}></textarea>
    <div class="row end"><button class="primary" disabled=${!text.trim()}><${Icon} name="plus" />Add</button></div></form>`;
}
