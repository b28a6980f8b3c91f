/** What the open filter looks at: in this picture, and in the pictures that make it most active. */

import { useEffect } from "preact/hooks";
import { format } from "../../numbers/format.js";
import { signedScale } from "../../numbers/scale.js";
import { chain, filterIndex, layer, network, pictureId, pinned, reachable } from "../../state/store.js";
import { METHODS, method, patches, projection } from "../../state/sees.js";
import { FilterPicker } from "../filters.js";
import { NoLayers } from "../filterview.js";
import { html } from "../html.js";
import { LayerHead } from "../layerhead.js";
import { MapView } from "../map.js";
import { Overview } from "../overview.js";
import { Radios } from "../radios.js";
import { mapOf } from "../../data/document.js";
import { Picture } from "./picture.js";

const MOST_KERNELS = 64;

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function SeesView({ loader }) {
  const [open, filter] = [layer.value?.name, filterIndex.value];
  const pixel = pinned.value ? `${pinned.value.y},${pinned.value.x}` : "";
  useEffect(() => {
    if (open && filter !== null) void loader.loadProjection(open, filter, pixel, method.value);
  }, [open, filter, pixel, method.value, pictureId.value, network.value?.model]);
  useEffect(() => {
    if (open && filter !== null) void loader.loadPatches(open, filter);
  }, [open, filter, network.value?.model]);
  if (!network.value) return html`<p class="loading">Opening the network …</p>`;
  return html`<${Overview} />
    ${layer.value ? html`<${Seeing} />` : html`<${NoLayers} />`}`;
}

function Seeing() {
  return html`<section class="layer" aria-labelledby="layer-name">
    <${LayerHead} />
    <${FilterPicker} />
    <div class="seeing">
      <${Projected} />
      <${Patches} />
      ${reachable.value && html`<${Kernels} />`}
    </div>
  </section>`;
}

/** Whether a document is that of the open filter. */
function isOpen(document) {
  return document?.layer === layer.value.name && document.filter === filterIndex.value;
}

function Projected() {
  const shown = projection.value;
  const words = METHODS.find(({ key }) => key === method.value).words;
  return html`<section class="seeing-part" aria-labelledby="projected">
    <h3 id="projected">In this picture</h3>
    <p class="muted">The activity of ${pinned.value ? "the kept pixel" : "the strongest pixel"} of the filter’s map, sent back to the
      picture: the pixels that made it.</p>
    <${Radios}
      label="How it is sent back" class="segments" itemClass="segment"
      items=${METHODS.map(({ key, label }) => ({ key, label, body: label }))}
      chosen=${method.value} onChoose=${(key) => (method.value = key)}
    />
    <div class="projected" data-ready=${isOpen(shown)} data-method=${shown?.method}>
      <figure><${Picture} picture=${network.value.arrays.picture} label="the picture" box=${isOpen(shown) ? shown.box : null} />
        <figcaption>the picture</figcaption></figure>
      <figure>${isOpen(shown) ? html`<${Picture} picture=${shown.arrays.projection} label="what came back" box=${shown.box} />` : html`<div class="picture-wait"></div>`}
        <figcaption>what came back; grey is nothing</figcaption></figure>
    </div>
    <p class="muted sent-back">${isOpen(shown) && html`${shown.unit ? html`Pixel row ${shown.unit[0]}, column ${shown.unit[1]}, ` : ""}value
      ${" "}<b class="number">${format(shown.value)}</b>. ${words}. ${shown.notes.map((note) => html`${note}. `)}`}</p>
  </section>`;
}

function Patches() {
  const shown = patches.value;
  if (!isOpen(shown)) {
    return html`<section class="seeing-part"><h3>What makes it most active</h3>
      <p class="loading">Looking through the pictures …</p></section>`;
  }
  const { patches: found, seen, data } = shown;
  return html`<section class="seeing-part" aria-labelledby="strongest">
    <h3 id="strongest">What makes it most active</h3>
    <p class="muted">Of ${seen} images (${data}) the pieces with the strongest answers; below each, what of it the filter looks at.</p>
    ${found.length ? "" : html`<p>No piece of them makes this filter active at all.</p>`}
    <ol class="patches">
      ${found.map(({ value, image, y, x }, rank) => html`<li key=${rank} title="image ${image}, row ${y}, column ${x} of the map">
        <${Picture} picture=${shown.arrays[`patch${rank}`]} label="piece of image ${image}" />
        <${Picture} picture=${shown.arrays[`back${rank}`]} label="what came back from it" />
        <span class="number">${format(value)}</span>
      </li>`)}
    </ol>
  </section>`;
}

/** The kernels as pictures, on one scale. */
function Kernels() {
  const shown = chain.value;
  if (!shown || !isOpen({ layer: shown.layer.name, filter: shown.filter })) return null;
  const { kernels } = shown.document.arrays;
  const count = Math.min(kernels.shape[0], MOST_KERNELS);
  const size = kernels.shape.slice(1);
  const scale = signedScale(shown.document.limits.kernels, []);
  const hidden = shown.layer.channels_per_filter - count;
  return html`<section class="seeing-part" aria-labelledby="kernels">
    <h3 id="kernels">Its kernels</h3>
    <p class="muted">One for each channel it reads, on one scale: blue below 0, orange above.${hidden > 0 ? ` ${hidden} more are not shown.` : ""}</p>
    <div class="kernels">
      ${Array.from({ length: count }, (_, index) => html`<${MapView} key=${index}
        values=${mapOf(kernels, index)} size=${size} scale=${scale} label="kernel of channel ${shown.inputs.channels[index]}"
        marks=${() => []} onPoint=${() => {}} onPin=${() => {}} />`)}
    </div>
  </section>`;
}
