/** One filter of the open layer, from its channels to what it hands on. */

import { SLIDES } from "../state/slide.js";
import { chain, filterIndex, layer, network, reachable } from "../state/store.js";
import { switching } from "../state/models.js";
import { Aggregations } from "./aggregations.js";
import { Chain } from "./chain.js";
import { FilterPicker } from "./filters.js";
import { html } from "./html.js";
import { LayerHead } from "./layerhead.js";
import { Opening } from "./opening.js";
import { Overview } from "./overview.js";
import { SlideBar } from "./slidebar.js";

/** @param {{loader: import("../state/loader.js").Loader}} props */
export function FilterView({ loader }) {
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  return html`<${Overview} />
    ${layer.value ? html`<${LayerView} />` : html`<${NoLayers} />`}`;
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
  return chain.value ? html`<${SlideBar} slide=${SLIDES.filter} /><${Chain} />` : html`<p class="loading">Taking the filter apart …</p>`;
}

/** A report of a large network holds the numbers of some filters only. */
function NotHere() {
  const { name, kept } = layer.value;
  const others = kept.length ? `Here are filters ${kept.join(", ")}.` : "Of this layer only the small maps are here.";
  return html`<p class="loading">The numbers of filter ${filterIndex} of ${name} are not in this report: it would be too
    large. ${others} To open every filter, start <code>convitro explore</code> with this network.</p>`;
}

export function NoLayers() {
  if (switching.value) return html`<p class="loading">Opening the network …</p>`;
  return html`<p class="loading">This network has no two-dimensional convolution to open.</p>`;
}
