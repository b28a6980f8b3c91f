/** The bar at the top: whose page this is, which network, and the page's own settings. */

import { toggleTheme } from "../state/actions.js";
import { choosingModel, switching } from "../state/models.js";
import { saving } from "../state/saving.js";
import { helping, live, network, sharedScale, theme, unopened } from "../state/store.js";
import { html } from "./html.js";
import { Nav } from "./nav.js";
import { Radios } from "./radios.js";

const SCALES = [
  { key: "shared", label: "shared by all maps of a column", body: "shared" },
  { key: "own", label: "each map its own", body: "own" },
];

export function Header() {
  const dark = theme.value === "dark";
  return html`<header class="bar">
    <h1 class="brand"><img src="view/icon.svg" alt="" width="20" height="20" /><span>Convitro</span></h1>
    <${OpenModel} />
    <${Nav} />
    <span class="bar-settings">
      <span class="scale-choice" title="One colour scale for all maps of a column, or each map its own (s)">
        <span aria-hidden="true">Colour scale</span>
        <${Radios}
          label="Colour scale"
          items=${SCALES}
          chosen=${sharedScale.value ? "shared" : "own"}
          onChoose=${(key) => (sharedScale.value = key === "shared")}
        />
      </span>
      ${
        network.value &&
        html`<${IconButton} label="Save …" title="Save this view or the session (e)" onClick=${() => (saving.value = true)}>
        <${Tray} />
      </${IconButton}>`
      }
      <${IconButton} label=${dark ? "Light colours" : "Dark colours"} title="Light or dark (t)" onClick=${toggleTheme}>
        ${dark ? html`<${Sun} />` : html`<${Moon} />`}
      </${IconButton}>
      <${IconButton} label="Keys and words" title="Keys and words (?)" onClick=${() => (helping.value = true)}>?</${IconButton}>
    </span>
  </header>`;
}

/** The name of the open network, and the way to another one; where none can be shown, the way alone. */
function OpenModel() {
  const name = network.value?.name ?? (unopened.value ? "Open a model" : "");
  if (!live.value || !name) return html`<span class="network-name" title=${name}><span>${name}</span></span>`;
  const open = () => (choosingModel.value = true);
  return html`<button type="button" class="network-name model-button" aria-haspopup="dialog" aria-busy=${switching.value} onClick=${open}
    aria-label=${network.value ? `Model: ${name}. Open another` : name} title="${name}. Open another model (o)"><span>${name}</span><i aria-hidden="true">▾</i></button>`;
}

function IconButton({ label, title, onClick, children }) {
  return html`<button type="button" class="quiet round" aria-label=${label} title=${title} onClick=${onClick}>
    ${children}
  </button>`;
}

function Tray() {
  return html`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class="stroked">
    <path d="M8 2v8M4.8 7 8 10.2 11.2 7M2.5 10.5v2.2a.8.8 0 0 0 .8.8h9.4a.8.8 0 0 0 .8-.8v-2.2" />
  </svg>`;
}

function Sun() {
  return html`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class="stroked">
    <circle cx="8" cy="8" r="3" />
    <path d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13" />
  </svg>`;
}

function Moon() {
  return html`<svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" class="stroked">
    <path d="M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1Z" />
  </svg>`;
}
