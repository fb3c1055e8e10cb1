// A conversation: what was said, what is being said, and where the next thing is written.
import { api, changed } from "../api.js";
import { saveSettings, savedSettings, SettingsForm } from "../settings.js";
import {
  announce, download, fileName, html, Icon, IconButton, Problem, remember, remembered, useEffect, useLayoutEffect, useRef, useState,
} from "../ui.js";
import { Answered, Arriving, Asked, ModelPicker } from "./message.js";
import { kept, newId, Run, running } from "./run.js";
import { newestEnd, pathTo, siblings, turnOf, withAnswer } from "./tree.js";

/** @typedef {import("./tree.js").Conversation} Conversation */
/** @typedef {import("./tree.js").Node} Node */
/** @typedef {import("./tree.js").Message} Message */

/** What a conversation is before anything was said. @type {Conversation} */
const EMPTY = { id: "", name: null, tip: null, messages: [], turns: [] };

/**
 * @param {{ id: string | null, models: string[], go: (hash: string) => void }} props
 */
export function Chat({ id, models, go }) {
  const [conversation, setConversation] = useState(EMPTY);
  const [tip, setTip] = useState(/** @type {string | null} */ (null));
  const [run, setRun] = useState(/** @type {Run | null} */ (null));
  const [error, setError] = useState(/** @type {unknown} */ (null));
  const [settings, setSettings] = useState(savedSettings);
  const [isSetting, setSetting] = useState(false);
  const [chosen, setModel] = useState(/** @type {string} */ (remembered("model", "")));
  const model = models.includes(chosen) ? chosen : (models[0] ?? chosen);
  const shown = useRef(id);
  shown.current = id;

  useEffect(() => {
    setError(null);
    setRun(running.get(id ?? "") ?? null);
    if (id === null) {
      setConversation(EMPTY);
      setTip(null);
      setSettings((settings) => ({ ...settings, system: "" }));
    } else if (id !== conversation.id) {
      load(id).catch(setError);
    }
  }, [id]);
  useRedrawn(run);

  /** @param {string} id */
  async function load(id) {
    /** @type {Conversation} */
    const read = await api(`api/conversations/${encodeURIComponent(id)}`);
    if (shown.current !== id) return;
    setConversation(read);
    setTip(read.tip);
    const [first] = pathTo(read, read.tip);
    const system = first?.role === "system" ? first.text : "";
    setSettings((settings) => ({ ...settings, system }));
  }

  const path = pathTo(conversation, tip);

  /** @param {Message[]} messages */
  async function answer(messages) {
    setError(null);
    const system = settings.system.trim();
    const rest = messages.filter(({ role }, i) => i > 0 || role !== "system").map(({ role, text }) => ({ role, text }));
    const given = system ? [{ role: "system", text: system }, ...rest] : rest;
    const thread = id ?? newId();
    const run = new Run(thread, given, model, settings);
    setRun(run);
    announce(`${model} is answering`);
    await run.go(id ?? "");
    announce(run.state === "failed" ? `It failed: ${run.error}` : `Answer: ${run.text}`);
    if (run.text) await ended(run, thread);
    if (shown.current !== id) return;
    if (run.state === "failed") setError(run.error);
    if (run.text || run.state !== "failed") setRun(null);
  }

  /** Shows what was kept of an answer. @param {Run} run @param {string} thread */
  async function ended(run, thread) {
    const read = await kept(thread, conversation.turns.length).catch(setError);
    if (shown.current !== id) return;
    const next = read ?? withAnswer(conversation, run.messages, run);
    setConversation(next);
    setTip(next.tip);
    if (read && id === null) go(`#/chat/${thread}`);
  }

  /** @param {Node} node */
  async function choose(node) {
    const end = newestEnd(conversation, node.hash);
    setTip(end);
    const [first] = pathTo(conversation, end);
    setSettings((settings) => ({ ...settings, system: first?.role === "system" ? first.text : "" }));
    if (id !== null) await api(`api/conversations/${encodeURIComponent(id)}`, { body: { tip: end } }).catch(setError);
  }

  const isBusy = run !== null && (run.state === "waiting" || run.state === "answering");
  /** @param {string} text */
  const send = (text) => answer([...path, { role: "user", text }]);
  /** The messages before one. @param {Node} node */
  const before = (node) => pathTo(conversation, node.parent);
  /** @param {Node} node @param {string} text */
  const edit = (node, text) => {
    setTip(node.parent);
    answer([...before(node), { role: node.role, text }]);
  };
  /** @param {Node} node */
  const again = (node) => {
    setTip(node.parent);
    answer(before(node));
  };
  const set = (/** @type {typeof settings} */ next) => {
    setSettings(next);
    // A system prompt belongs to its conversation.
    saveSettings({ ...next, system: "" });
  };
  const retry = () => run && answer(run.messages);
  // What was asked and is not part of the conversation yet.
  const asked = run ? run.messages.filter((message, i) => message.role === "user" && i === run.messages.length - 1) : [];
  const isShown = path.at(-1)?.role === "user" && path.at(-1)?.text === asked[0]?.text;

  return html`<div class="chat">
    <div class="bar">
      <${ModelPicker} model=${model} names=${models} onChange=${(/** @type {string} */ name) => { setModel(name); remember("model", name); }} />
      <h1 class="title">${conversation.name || "New chat"}</h1>
      ${conversation.id && id && html`<${ConversationMenu} conversation=${conversation} go=${go} onRenamed=${() => load(conversation.id)} />`}
      <${IconButton} icon="sliders" label="Settings" pressed=${isSetting} onClick=${() => setSetting(!isSetting)} />
    </div>
    ${isSetting && html`<section class="panel" aria-label="Settings"><${SettingsForm} settings=${settings} onChange=${set} /></section>`}
    <${Scrolled} watch=${[conversation, tip, run?.text]}>
      ${path.length === 0 && !run && html`<${Welcome} hasModel=${models.length > 0} />`}
      ${path.map((node) => node.role === "assistant"
        ? html`<${Answered} key=${node.hash} node=${node} turn=${turnOf(conversation, node)} versions=${siblings(conversation, node)}
            onVersion=${choose} onAgain=${() => again(node)} isBusy=${isBusy} />`
        : html`<${Asked} key=${node.hash} node=${node} versions=${siblings(conversation, node)} onVersion=${choose}
            onEdit=${(/** @type {string} */ text) => edit(node, text)} isBusy=${isBusy} />`)}
      ${!isShown && asked.map((message) => html`<article class="message user" aria-label="You">
        <div class="said">${message.text}</div></article>`)}
      ${run && (isBusy || run.text) && html`<${Arriving} run=${run} />`}
      ${error !== null && html`<${Problem} error=${error}>${run && html`<button type="button" onClick=${retry}>Try again</button>`}<//>`}
    <//>
    <${Composer} isBusy=${isBusy} canSend=${model !== ""} onSend=${send} onStop=${() => run?.stop()} focus=${id} />
  </div>`;
}

/** Draws again whenever more of an answer is there, once a frame at most. @param {Run | null} run */
function useRedrawn(run) {
  const [, setRound] = useState(0);
  useEffect(() => {
    if (!run) return undefined;
    let asked = 0;
    const more = () => {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        setRound((round) => round + 1);
      });
    };
    run.addEventListener("change", more);
    return () => {
      run.removeEventListener("change", more);
      cancelAnimationFrame(asked);
    };
  }, [run]);
}

/** @param {{ hasModel: boolean }} props */
function Welcome({ hasModel }) {
  return html`<div class="welcome"><img src="page/icon.svg" alt="" width="72" height="72" />
    <h2>Ask your own computer.</h2>
    ${hasModel ? html`<p>Nothing you write here leaves it. Everything is kept in one file that you own,<br />
      and <code>mynah chat --continue</code> goes on where this page stopped.</p>`
      : html`<p>There is no model yet. <a href="#/models">Get one</a>, the smallest is 98 MB.</p>`}</div>`;
}

/** The conversation; follows what arrives, unless the person looks further up. @param {{ watch: unknown[], children?: any }} props */
function Scrolled({ watch, children }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const follows = useRef(true);
  useLayoutEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, watch);
  const scrolled = () => {
    const it = box.current;
    if (it) follows.current = it.scrollHeight - it.scrollTop - it.clientHeight < 60;
  };
  return html`<section class="messages" ref=${box} onScroll=${scrolled} tabindex="0" aria-label="Conversation"><div class="column">${children}</div></section>`;
}

/**
 * @param {{ isBusy: boolean, canSend: boolean, onSend: (text: string) => void, onStop: () => void,
 *   focus: unknown }} props
 */
function Composer({ isBusy, canSend, onSend, onStop, focus }) {
  const [text, setText] = useState("");
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useEffect(() => {
    if (!matchMedia("(pointer: coarse)").matches) area.current?.focus();
  }, [focus]);
  useEffect(() => {
    if (!isBusy) return undefined;
    const stop = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) onStop();
    };
    addEventListener("keydown", stop);
    return () => removeEventListener("keydown", stop);
  }, [isBusy, onStop]);
  const send = () => {
    if (!text.trim() || isBusy || !canSend) return;
    setText("");
    onSend(text);
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    // A word that is still being composed (Chinese, Japanese) is ended with Enter too.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    send();
  };
  return html`<form class="composer" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); send(); }}>
    <div class="field"><textarea ref=${area} rows=${Math.min(10, text.split("\n").length)} aria-label="Message" placeholder="Ask anything"
      value=${text} onInput=${(/** @type {Event} */ event) => setText(/** @type {HTMLTextAreaElement} */ (event.target).value)} onKeyDown=${keys}></textarea>
    ${isBusy ? html`<button type="button" class="round stop" aria-label="Stop" title="Stop (Esc)" onClick=${onStop}><${Icon} name="stop" /></button>`
      : html`<button class="round" aria-label="Send" title="Send (Enter)" disabled=${!text.trim() || !canSend}><${Icon} name="send" /></button>`}
    </div></form>`;
}

/** @param {{ conversation: Conversation, go: (hash: string) => void, onRenamed: () => void }} props */
function ConversationMenu({ conversation, go, onRenamed }) {
  const address = `api/conversations/${encodeURIComponent(conversation.id)}`;
  const rename = async () => {
    const name = prompt("What is this conversation called?", conversation.name ?? "");
    if (!name?.trim()) return;
    await api(address, { body: { name: name.trim() } });
    changed("conversations");
    onRenamed();
  };
  const remove = async () => {
    if (!confirm("Delete this conversation for good?")) return;
    await api(address, { method: "DELETE" });
    changed("conversations");
    go("#/chat");
  };
  const save = async () => {
    const text = JSON.stringify(await api(`${address}/export`), null, 2);
    download(`${fileName(conversation.name ?? "conversation")}.json`, text, "application/json");
  };
  return html`<${IconButton} icon="pen" label="Rename conversation" onClick=${rename} />
    <${IconButton} icon="down" label="Export conversation" onClick=${save} />
    <${IconButton} icon="trash" label="Delete conversation" onClick=${remove} />`;
}
