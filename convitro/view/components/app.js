/** The page from top to bottom. */

import { dragging } from "../state/files.js";
import { announcement, chain, detailed, filterIndex, helping, layer, network, picking, reachable } from "../state/store.js";
import { Aggregations } from "./aggregations.js";
import { Banners } from "./banners.js";
import { Chain } from "./chain.js";
import { DetailDialog } from "./detail.js";
import { FilterPicker } from "./filters.js";
import { Header } from "./header.js";
import { HelpDialog } from "./help.js";
import { html } from "./html.js";
import { LayerHead } from "./layerhead.js";
import { Overview } from "./overview.js";
import { PictureDialog } from "./pictures.js";
import { Bubble } from "./term.js";

/** @param {{loader: import("../state/loader.js").Loader}} props */
export function App({ loader }) {
  return html`
    <a class="skip-link" href="#layer-name" onClick=${skip}>Skip to the filter</a>
    <${Header} />
    <main>
      ${network.value ? html`<${Overview} />` : html`<p class="loading">Opening the network …</p>`}
      ${layer.value ? html`<${LayerView} />` : network.value && html`<${NoLayers} />`}
    </main>
    ${picking.value && html`<${PictureDialog} loader=${loader} />`} ${helping.value && html`<${HelpDialog} />`}
    ${detailed.value !== null && html`<${DetailDialog} />`}
    ${dragging.value && html`<div class="drop-here"><p>Drop the picture to show it to the network</p></div>`}
    <${Banners} />
    <${Bubble} />
    <div class="only-heard" role="status" aria-live="polite">${announcement}</div>
  `;
}

/** To the open filter, without a word to the address: that belongs to what is chosen. */
function skip(event) {
  event.preventDefault();
  document.querySelector(".filter-strip [tabindex='0']")?.focus();
}

function LayerView() {
  return html`<section class="layer" aria-labelledby="layer-name">
    <${LayerHead} />
    <${FilterPicker} />
    <${Aggregations} />
    ${reachable.value ? html`<${WholeChain} />` : html`<${NotHere} />`}
  </section>`;
}

function WholeChain() {
  return chain.value ? html`<${Chain} />` : html`<p class="loading">Taking the filter apart …</p>`;
}

/** A report of a large network holds the numbers of some filters only. */
function NotHere() {
  const { name, kept } = layer.value;
  const others = kept.length ? `Here are filters ${kept.join(", ")}.` : "Of this layer only the small maps are here.";
  return html`<p class="loading">The numbers of filter ${filterIndex} of ${name} are not in this report: it would be too
    large. ${others} To open every filter, start <code>convitro explore</code> with this network.</p>`;
}

function NoLayers() {
  return html`<p class="loading">This network has no two-dimensional convolution to open.</p>`;
}
