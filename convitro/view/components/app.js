/** The page from top to bottom. */

import { dragging } from "../state/files.js";
import { announcement, chain, detailed, helping, layer, network, picking } from "../state/store.js";
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
    ${chain.value ? html`<${Chain} />` : html`<p class="loading">Taking the filter apart …</p>`}
  </section>`;
}

function NoLayers() {
  return html`<p class="loading">This network has no two-dimensional convolution to open.</p>`;
}
