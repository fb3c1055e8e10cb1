// The page: its views, the way between them, and the keys that work everywhere.
import { api, changes, setKey } from "./api.js";
import { Chat } from "./chat/view.js";
import { Conversations, Exchange } from "./chat/sidebar.js";
import { Search } from "./chat/search.js";
import { Dialog, html, Icon, IconButton, Problem, render, useAnswer, useEffect, useState } from "./ui.js";

/** The views beside the chat; each is fetched when it is first opened.
 * @type {Record<string, { label: string, icon: string, load: () => Promise<any> }>} */
const VIEWS = {
  compare: { label: "Compare", icon: "columns", load: async () => (await import("./compare.js")).Compare },
  models: { label: "Models", icon: "box", load: async () => (await import("./models.js")).Models },
  experiments: { label: "Experiments", icon: "flask", load: async () => (await import("./experiments.js")).Experiments },
  training: { label: "Training", icon: "curve", load: async () => (await import("./training.js")).Trainings },
  dashboard: { label: "Dashboard", icon: "chart", load: async () => (await import("./dashboard/view.js")).Dashboard },
};

/** What the address says: `#/view/rest?parameters`. */
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view = "chat", ...rest] = path.split("/");
  return { view: view || "chat", rest: rest.length ? decoded(rest.join("/")) : null, query };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    // Somebody wrote a percent sign that means itself.
    return text;
  }
}

function App() {
  const [{ view, rest, query }, setPlace] = useState(place);
  const [isSearching, setSearching] = useState(false);
  const [isOpen, setOpen] = useState(false);
  const [wantsKey, setWantsKey] = useState(false);
  const { value: models, error, again } = useAnswer(() => api("v1/models"), []);
  const names = (models?.data ?? []).map((/** @type {{ id: string }} */ model) => model.id);

  useEffect(() => {
    const moved = () => setPlace(place());
    const key = () => setWantsKey(true);
    addEventListener("hashchange", moved);
    addEventListener("keydown", keys);
    changes.addEventListener("key", key);
    return () => {
      removeEventListener("hashchange", moved);
      removeEventListener("keydown", keys);
      changes.removeEventListener("key", key);
    };
  }, []);
  useEffect(() => {
    document.title = view === "chat" ? "mynah" : `${VIEWS[view]?.label ?? "mynah"} · mynah`;
  }, [view]);

  /** @param {KeyboardEvent} event */
  function keys(event) {
    if (!(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key === "k" && !event.shiftKey) {
      event.preventDefault();
      setSearching(true);
    } else if (key === "o" && event.shiftKey) {
      event.preventDefault();
      location.hash = "#/chat";
    }
  }

  const close = () => setOpen(false);
  const go = (/** @type {string} */ hash) => {
    location.hash = hash;
  };
  return html`<div class=${`app ${isOpen ? "open" : ""}`}>
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>To the content</a>
    <aside id="side" aria-label="Sidebar" onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close()}>
      <div class="row brand"><a href="#/chat" class="name"><img src="page/icon.svg" alt="" width="28" height="28" />mynah</a>
        <${IconButton} icon="close" label="Close menu" class="narrow" onClick=${close} /></div>
      <a class="new" href="#/chat" onClick=${close} title="New chat (Shift+Ctrl+O)" aria-keyshortcuts="Shift+Control+O"><${Icon} name="plus" />New chat</a>
      <button type="button" class="new" title="Search (Ctrl+K)" aria-keyshortcuts="Control+K" onClick=${() => { close(); setSearching(true); }}><${Icon} name="search" />Search</button>
      <nav class="views" aria-label="Views">${Object.entries(VIEWS).map(([name, { label, icon }]) => html`<a key=${name}
        href=${`#/${name}`} aria-current=${view === name ? "page" : undefined} onClick=${close}><${Icon} name=${icon} />${label}</a>`)}</nav>
      <${Conversations} current=${view === "chat" ? rest : null} onNavigate=${close} />
      <div class="row end"><${Exchange} /><${Theme} /></div>
    </aside>
    <div class="shade" onClick=${close}></div>
    <main id="main" tabindex="-1">
      <div class="narrow top"><${IconButton} icon="menu" label="Menu" onClick=${() => setOpen(true)} /></div>
      ${error && html`<${Problem} error=${error}><button type="button" onClick=${again}>Try again</button><//>`}
      ${view === "chat" ? html`<${Chat} id=${rest} models=${names} go=${go} />`
        : html`<${Later} key=${view} view=${view} props=${{ rest, query, models: names, go, onModels: again }} />`}
    </main>
    ${isSearching && html`<${Search} onClose=${() => setSearching(false)} go=${go} />`}
    ${wantsKey && html`<${AskKey} onClose=${() => setWantsKey(false)} />`}
    <div id="status" class="hidden" role="status" aria-live="polite"></div>
  </div>`;
}

/** A view that is fetched now. @param {{ view: string, props: object }} props */
function Later({ view, props }) {
  const { value, error } = useAnswer(async () => {
    if (!VIEWS[view]) throw new Error("there is no such page");
    return { View: await VIEWS[view].load() };
  }, [view]);
  if (error) return html`<${Problem} error=${error} />`;
  return value ? html`<${value.View} ...${props} />` : null;
}

function Theme() {
  const order = /** @type {const} */ (["auto", "light", "dark"]);
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "auto");
  const next = order[(order.indexOf(/** @type {"auto"} */ (theme)) + 1) % order.length];
  const change = () => {
    if (next === "auto") {
      localStorage.removeItem("mynah-theme");
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem("mynah-theme", next);
      document.documentElement.dataset.theme = next;
    }
    setTheme(next);
  };
  return html`<${IconButton} icon="theme" label=${`Colours: ${theme}; change to ${next}`} onClick=${change} />`;
}

/** @param {{ onClose: () => void }} props */
function AskKey({ onClose }) {
  const [key, set] = useState("");
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    setKey(key.trim());
    location.reload();
  };
  return html`<${Dialog} label="Key" onClose=${onClose}><form onSubmit=${save}>
    <p>This server wants a key: the one that it was started with.</p>
    <label>Key <input type="password" autocomplete="current-password" value=${key} autofocus
      onInput=${(/** @type {Event} */ event) => set(/** @type {HTMLInputElement} */ (event.target).value)} /></label>
    <div class="row end"><button class="primary">Use it</button></div></form><//>`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
