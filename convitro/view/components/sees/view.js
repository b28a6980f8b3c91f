/** What the open filter looks at: in this picture, and in the pictures that make it most active. */

import { useEffect } from "preact/hooks";
import { format } from "../../numbers/format.js";
import { channelName, signedScale } from "../../numbers/scale.js";
import { chain, filterIndex, isKept, layer, network, pinned, reachable } from "../../state/store.js";
import { chosenMethod, looked, method, methods, patches, projection, projectionKept } from "../../state/sees.js";
import { FilterPicker } from "../filters.js";
import { NoLayers } from "../filterview.js";
import { html } from "../html.js";
import { LayerHead } from "../layerhead.js";
import { MapView } from "../map.js";
import { NotKept } from "../notkept.js";
import { Opening } from "../opening.js";
import { Overview } from "../overview.js";
import { Radios } from "../radios.js";
import { mapOf } from "../../data/document.js";
import { Picture } from "./picture.js";

const MOST_KERNELS = 64;
const FEW_KERNELS = 4; // shown large, each with its channel's name
const USUALLY = 9; // patches of a filter

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function SeesView({ loader }) {
  const [open, filter] = [layer.value?.name, filterIndex.value];
  const pixel = pinned.value ? `${pinned.value.y},${pinned.value.x}` : "";
  const back = projectionKept.value;
  useEffect(() => {
    if (open && filter !== null && back) void loader.loadProjection(open, filter, pixel, chosenMethod.value);
  }, [open, filter, pixel, chosenMethod.value, network.value?.picture.id, network.value?.model, back]);
  useEffect(() => {
    if (open && filter !== null && isKept("patches", open, filter)) void loader.loadPatches(open, filter);
  }, [open, filter, network.value?.model]);
  if (!network.value) return html`<${Opening} loader=${loader} />`;
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
  const { words } = methods.value.find(({ key }) => key === chosenMethod.value) ?? {};
  return html`<section class="seeing-part" aria-labelledby="projected">
    <h3 id="projected">In this picture</h3>
    <p class="muted">The activity of ${pinned.value ? "the kept pixel" : "the strongest pixel"} of the filter’s map, sent back to the
      picture: the pixels that made it.</p>
    ${projectionKept.value ? html`<${SentBack} shown=${shown} words=${words} />` : html`<${NotKept} kind="projection">What comes back from there is</${NotKept}>`}
  </section>`;
}

/** The picture beside what came back to it. */
function SentBack({ shown, words }) {
  return html`<${Radios}
      label="How it is sent back"
      items=${methods.value.map(({ key, label }) => ({ key, label, body: label }))}
      chosen=${chosenMethod.value} onChoose=${(key) => (method.value = key)}
    />
    <div class="projected" data-ready=${isOpen(shown)} data-method=${shown?.method}>
      <figure><${Picture} picture=${network.value.arrays.picture} label="the picture" box=${isOpen(shown) ? shown.box : null} />
        <figcaption>the picture</figcaption></figure>
      <figure>${isOpen(shown) ? html`<${Picture} picture=${shown.arrays.projection} label="what came back" box=${shown.box} />` : html`<${Place} of=${network.value.arrays.picture} />`}
        <figcaption>what came back; grey is nothing</figcaption></figure>
    </div>
    <p class="muted sent-back">${isOpen(shown) && html`${shown.unit ? html`Pixel row ${shown.unit[0]}, column ${shown.unit[1]}, ` : ""}value
      ${" "}<b class="number">${format(shown.value)}</b>. ${words}. ${shown.notes.map((note) => html`${note}. `)}`}</p>`;
}

function Patches() {
  if (!isKept("patches", layer.value.name, filterIndex.value)) {
    return html`<section class="seeing-part" aria-labelledby="strongest">
      <h3 id="strongest">What makes it most active</h3>
      <${NotKept} kind="patches">What makes this filter most active is</${NotKept}>
    </section>`;
  }
  const shown = isOpen(patches.value) ? patches.value : null;
  return html`<section class="seeing-part" aria-labelledby="strongest" aria-busy=${!shown}>
    <h3 id="strongest">What makes it most active</h3>
    <p class="muted strongest-words">${
      shown
        ? html`Of ${shown.seen} images (${shown.data}) the pieces with the strongest answers; below each, what of it the filter looks
            at.`
        : html`<span class="loading">${looking()}</span>`
    }</p>
    ${shown?.patches.length === 0 && html`<p>No piece of them makes this filter active at all.</p>`}
    <ol class="patches">${shown ? shown.patches.map((found, rank) => html`<${Patch} key=${rank} ...${found} arrays=${shown.arrays} rank=${rank} />`) : Array.from({ length: USUALLY }, (_, rank) => html`<${Wait} key=${rank} />`)}</ol>
  </section>`;
}

/** How far the search for patches is. */
function looking() {
  const { doing, done, total } = looked.value ?? {};
  if (doing === "patches" && total > 0) return `Looking through the pictures: ${done} of ${total} …`;
  return doing === "health" ? "The network is still being looked over; this is next …" : "Looking through the pictures …";
}

function Patch({ value, image, y, x, arrays, rank }) {
  return html`<li title="image ${image}, row ${y}, column ${x} of the map">
    <${Picture} picture=${arrays[`patch${rank}`]} label="piece of image ${image}" />
    <${Picture} picture=${arrays[`back${rank}`]} label="what came back from it" />
    <span class="number">${format(value)}</span>
  </li>`;
}

/** The place of a patch that is being looked for. */
function Wait() {
  return html`<li aria-hidden="true"><${Place} /><${Place} /><span class="number">${"\u00a0"}</span></li>`;
}

/** The place of a picture on its way, as wide and high as it will be. */
function Place({ of: { shape: [height, width] } = { shape: [1, 1] } }) {
  return html`<div class="picture-wait" style=${{ aspectRatio: `${width} / ${height}` }}></div>`;
}

/** The kernels as pictures, on one scale. */
function Kernels() {
  const shown = isOpen({ layer: chain.value?.layer.name, filter: chain.value?.filter }) ? chain.value : null;
  const { channels_per_filter: channels, channels_per_page: page } = layer.value;
  const count = Math.min(channels, page, MOST_KERNELS);
  const hidden = channels - count;
  return html`<section class="seeing-part" aria-labelledby="kernels">
    <h3 id="kernels">Its kernels</h3>
    <p class="muted">One for each channel it reads, on one scale: blue below 0, orange above.${hidden > 0 ? ` ${hidden} more are not shown.` : ""}</p>
    <div class="kernels" data-few=${count <= FEW_KERNELS}>
      ${Array.from({ length: count }, (_, index) => (shown ? html`<${Kernel} key=${index} shown=${shown} index=${index} />` : html`<${Absent} key=${index} named=${count <= FEW_KERNELS} />`))}
    </div>
  </section>`;
}

/** The place of a kernel on its way. */
function Absent({ named }) {
  return html`<figure aria-hidden="true"><div class="map"></div>${named && html`<figcaption>${"\u00a0"}</figcaption>`}</figure>`;
}

function Kernel({ shown: { inputs, document }, index }) {
  const { kernels } = document.arrays;
  if (index >= kernels.shape[0]) return null;
  const name = channelName(layer.value, inputs.channels[index]);
  return html`<figure title="kernel of channel ${name}"><${MapView}
      values=${mapOf(kernels, index)} size=${kernels.shape.slice(1)} scale=${signedScale(document.limits.kernels, [])}
      label="kernel of channel ${name}" marks=${() => []} onPoint=${() => {}} onPin=${() => {}} />
    ${kernels.shape[0] <= FEW_KERNELS && html`<figcaption>${name}</figcaption>`}</figure>`;
}
