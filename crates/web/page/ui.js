// What every view is made of: Preact with templates, icons, small components.
import { h, render, Component, Fragment } from "./vendor/preact.js";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";

/** Writes elements as they look; texts between them become text nodes, never markup. */
export const html = htm.bind(h);
export { render, Component, Fragment, useEffect, useLayoutEffect, useMemo, useRef, useState };

/** @typedef {import("preact").ComponentChildren} Children */

/** Lines on a square of 24, drawn by this project. */
const ICONS = {
  menu: "M4 6h16M4 12h16M4 18h16",
  plus: "M12 5v14M5 12h14",
  search: "M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13zM15.5 15.5 20 20",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  check: "M5 12.5 10 17 19 7",
  edit: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  again: "M20 12a8 8 0 1 1-2.5-5.8M20 3v4.5h-4.5",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  down: "M12 4v12M7 11l5 5 5-5M5 20h14",
  up: "M12 16V4M7 9l5-5 5 5M5 20h14",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  chat: "M4 5h16v11H9l-5 4z",
  columns: "M4 5h7v14H4zM13 5h7v14h-7z",
  box: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
  curve: "M4 4v16h16M8 8c1 7 4 9 11 9",
  flask: "M10 4v6L5 19h14l-5-9V4M8 4h8M8 14h8",
  chart: "M5 20V10M12 20V4M19 20v-7",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  close: "M6 6l12 12M18 6 6 18",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  pen: "M5 19h4L19 9l-4-4L5 15z",
};

/** @param {{ name: keyof typeof ICONS }} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;
}

/**
 * A button that shows an icon and says what it does.
 *
 * @param {{ icon: keyof typeof ICONS, label: string, onClick?: (event: MouseEvent) => void,
 *   disabled?: boolean, class?: string, keys?: string, pressed?: boolean }} props
 */
export function IconButton({ icon, label, onClick, disabled, class: kind = "", keys, pressed }) {
  const title = keys ? `${label} (${keys})` : label;
  return html`<button type="button" class=${`icon-button ${kind}`} aria-label=${label} title=${title}
    aria-pressed=${pressed} aria-keyshortcuts=${keys?.replace("Ctrl", "Control")} disabled=${disabled}
    onClick=${onClick}><${Icon} name=${icon} /></button>`;
}

/**
 * A dialog over the page, of the browser's own kind: it keeps the focus, and Esc closes it.
 *
 * @param {{ label: string, onClose: () => void, children?: Children, class?: string }} props
 */
export function Dialog({ label, onClose, children, class: kind = "" }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => {
    dialog.current?.showModal();
  }, []);
  const outside = (/** @type {MouseEvent} */ event) => {
    if (event.target === dialog.current) onClose();
  };
  return html`<dialog ref=${dialog} class=${kind} aria-label=${label} onClose=${onClose}
    onMouseDown=${outside}><div class="dialog-body">${children}</div></dialog>`;
}

/** @param {{ text: string, label?: string, class?: string }} props */
export function CopyButton({ text, label = "Copy", class: kind }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await copyText(text);
    setDone(true);
    announce("Copied");
    setTimeout(() => setDone(false), 1500);
  };
  return html`<${IconButton} icon=${done ? "check" : "copy"} label=${label} onClick=${copy} class=${kind} />`;
}

/** @param {string} text */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // On plain HTTP from another machine browsers give no clipboard.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Says something to those who hear the page. @param {string} text */
export function announce(text) {
  const status = document.getElementById("status");
  if (status) status.textContent = text;
}

/** Something that went wrong, and what to do. @param {{ error: unknown, children?: Children }} props */
export function Problem({ error, children }) {
  const message = error instanceof Error ? error.message : String(error);
  return html`<div class="problem" role="alert"><p>${message}</p>${children}</div>`;
}

/** Lets the person save a text as a file. @param {string} name @param {string} text @param {string} type */
export function download(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Makes a file's name of a text. @param {string} text */
export function fileName(text) {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "mynah";
}

/** @param {number} bytes */
export function bytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit === 0 || bytes >= 100 ? bytes.toFixed(0) : bytes.toPrecision(3)} ${units[unit]}`;
}

/** A number with no more digits than it needs. @param {number} x */
export function number(x) {
  return x.toLocaleString("en", { maximumFractionDigits: Number.isInteger(x) ? 0 : 2, useGrouping: Math.abs(x) >= 1e4 });
}

/** A day, or the time if it was today. @param {string} utc */
export function when(utc) {
  const time = new Date(utc);
  if (Number.isNaN(time.getTime())) return utc;
  const today = new Date().toDateString() === time.toDateString();
  return today
    ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : time.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
}

/**
 * What a promise comes to; asked again whenever `inputs` change.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @param {unknown[]} inputs
 * @returns {{ value?: T, error?: unknown, again: () => void }}
 */
export function useAnswer(ask, inputs) {
  const [state, setState] = useState(/** @type {{ value?: T, error?: unknown }} */ ({}));
  const [round, setRound] = useState(0);
  useEffect(() => {
    let isWanted = true;
    ask().then(
      (value) => isWanted && setState({ value }),
      (error) => isWanted && setState((before) => ({ ...before, error })),
    );
    return () => {
      isWanted = false;
    };
  }, [...inputs, round]);
  return { ...state, again: () => setRound((round) => round + 1) };
}

/** Something in the browser's own memory. @param {string} name @param {unknown} [otherwise] */
export function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`mynah-${name}`) ?? "null") ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** @param {string} name @param {unknown} value */
export function remember(name, value) {
  localStorage.setItem(`mynah-${name}`, JSON.stringify(value));
}
