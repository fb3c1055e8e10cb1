// How answers are drawn: a form, and what it remembers.
import { html, remember, remembered } from "./ui.js";

/**
 * @typedef {{ system: string, temperature: number | null, top_p: number | null, top_k: number | null,
 *   min_p: number | null, max_tokens: number | null, seed: number | null, stop: string }} Settings
 */

/** @type {Settings} */
const NOTHING = {
  system: "", temperature: null, top_p: null, top_k: null, min_p: null, max_tokens: null, seed: null, stop: "",
};

/** @returns {Settings} */
export function savedSettings() {
  return { ...NOTHING, ...remembered("settings", {}) };
}

/** @param {Settings} settings */
export function saveSettings(settings) {
  remember("settings", settings);
}

/** @type {[name: "temperature" | "top_p" | "top_k" | "min_p" | "max_tokens" | "seed", label: string,
 *   attributes: Record<string, unknown>, about: string][]} */
const NUMBERS = [
  ["temperature", "Temperature", { min: 0, max: 2, step: 0.05 }, "0 always takes the likeliest word"],
  ["top_p", "Top-p", { min: 0, max: 1, step: 0.01 }, "only the words that make up this share"],
  ["top_k", "Top-k", { min: 0, max: 1000, step: 1 }, "only so many words"],
  ["min_p", "Min-p", { min: 0, max: 1, step: 0.01 }, "only words at least this likely, of the likeliest"],
  ["max_tokens", "Longest answer", { min: 1, max: 1_000_000, step: 1 }, "in tokens"],
  ["seed", "Seed", { min: 0, max: 2_147_483_647, step: 1 }, "the same seed draws the same answer again"],
];

/**
 * @param {{ settings: Settings, onChange: (settings: Settings) => void, withSystem?: boolean }} props
 */
export function SettingsForm({ settings, onChange, withSystem = true }) {
  const set = (/** @type {Partial<Settings>} */ part) => onChange({ ...settings, ...part });
  const text = (/** @type {Event} */ event) => /** @type {HTMLTextAreaElement} */ (event.target).value;
  const number = (/** @type {Event} */ event) => {
    const value = /** @type {HTMLInputElement} */ (event.target).valueAsNumber;
    return Number.isNaN(value) ? null : value;
  };
  return html`<form class="settings" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    ${withSystem && html`<label class="wide">System prompt
      <textarea rows="3" placeholder="How the model should behave" value=${settings.system}
        onInput=${(/** @type {Event} */ event) => set({ system: text(event) })}></textarea></label>`}
    ${NUMBERS.map(([name, label, attributes, about]) => html`<label title=${about}>${label}
      <input type="number" inputmode="decimal" placeholder=${name === "seed" ? "a new one" : "the model's own"}
        ...${attributes} value=${settings[name] ?? ""}
        onInput=${(/** @type {Event} */ event) => set({ [name]: number(event) })} /></label>`)}
    <label class="wide">Stop at <span class="soft">one text a line</span>
      <textarea rows="1" value=${settings.stop}
        onInput=${(/** @type {Event} */ event) => set({ stop: text(event) })}></textarea></label>
    <div class="wide row"><button type="button" onClick=${() => onChange({ ...NOTHING })}>Back to the model's own</button></div>
  </form>`;
}
