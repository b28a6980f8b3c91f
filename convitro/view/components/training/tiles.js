/** A page of the open layer's filters at the chosen epoch: kernels, feature map, and how far each has moved so far. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { difference } from "../../numbers/arithmetic.js";
import { putImage } from "../../numbers/colour.js";
import { format } from "../../numbers/format.js";
import { limitOf } from "../../numbers/scale.js";
import { chooseFilter, chooseLayer } from "../../state/actions.js";
import { filterIndex, layer, network, picking, sharedScale, theme } from "../../state/store.js";
import { added, current, FILTERS_PER_PAGE, shown } from "../../state/training.js";
import { html } from "../html.js";
import { drawPicture, smallMap } from "../pixels.js";
import { Radios } from "../radios.js";
import { KernelPicture, kernelsOf } from "./kernels.js";
import { MovedLine, movedAt } from "./moved.js";
import { named } from "./slider.js";

const KINDS = [
  { key: "are", label: "the kernels as they are", body: "as they are" },
  { key: "added", label: "what training added to the kernels", body: "what training added" },
];

export function FilterTiles() {
  const { name, out_channels: count } = layer.value;
  const documents = shown.value;
  const here = documents?.now.layer === name;
  const start = filterIndex.value - (filterIndex.value % FILTERS_PER_PAGE);
  return html`<section class="training-part" aria-labelledby="tiles-title">
    <div class="tiles-head">
      <h3 id="tiles-title">${count} filters of <${LayerChoice} /></h3>
      <${Radios} label="Kernels" items=${KINDS} chosen=${added.value ? "added" : "are"}
        onChoose=${(key) => (added.value = key === "added")} />
      <${PictureButton} />
      ${count > FILTERS_PER_PAGE && html`<${Pages} start=${start} count=${count} />`}
    </div>
    <p class="muted">${named(current.value)}: ${kernelWords()} Beside it ${here && !documents.now.arrays.maps ? html`no map: ${documents.now.no_maps}.` : "the map that it made of the picture then, and below how far it has moved from where it began."}</p>
    ${here && documents.now.start === start ? html`<${Tiles} documents=${documents} />` : html`<div class="tiles-wait" aria-busy="true"></div>`}
  </section>`;
}

function kernelWords() {
  const { raw_input: raw, in_channels: channels, channels_per_filter: each } = layer.value;
  if (raw && channels === 3) return "each filter as a small picture of the colours that it looks for, grey for 0.";
  if (each === 1) return "the kernel of each filter, blue below 0, orange above.";
  return `the ${each} kernels of each filter, blue below 0, orange above.`;
}

function LayerChoice() {
  return html`<select class="layer-choice" aria-label="Layer" value=${layer.value.name} onChange=${(event) => chooseLayer(event.currentTarget.value)}>
    ${network.value.layers.map(({ name }) => html`<option key=${name} value=${name} selected=${name === layer.value.name}>${name}</option>`)}
  </select>`;
}

function PictureButton() {
  const canvas = useRef(null);
  const { picture, arrays } = network.value;
  useLayoutEffect(() => drawPicture(canvas.current, arrays.picture), [arrays]);
  return html`<button type="button" class="quiet picture-button" aria-label="Picture: ${picture.name}. Choose another" onClick=${() => (picking.value = true)}>
    <canvas ref=${canvas} aria-hidden="true"></canvas><span>${picture.name}</span>
  </button>`;
}

function Pages({ start, count }) {
  const end = Math.min(start + FILTERS_PER_PAGE, count);
  return html`<span class="tiles-pages">
    <button type="button" class="quiet" disabled=${start === 0} onClick=${() => chooseFilter(start - FILTERS_PER_PAGE)}>‹ before</button>
    <span>${start} – ${end - 1}</span>
    <button type="button" class="quiet" disabled=${end === count} onClick=${() => chooseFilter(end)}>after ›</button>
  </span>`;
}

function Tiles({ documents: { now, start } }) {
  const all = now.arrays.kernels;
  const kernels = added.value ? difference(all, start.arrays.kernels) : all;
  const limit = !sharedScale.value ? null : added.value ? limitOf(kernels.values) : now.kernel_limit;
  const items = now.filters.map((filter, place) => ({
    key: filter,
    label: `filter ${filter}${spokenMove(filter)}`,
    body: html`<${Tile} now=${now} kernels=${kernels} limit=${limit} place=${place} filter=${filter} />`,
  }));
  return html`<${Radios} label="Filters" class="training-tiles" itemClass="training-tile" items=${items} chosen=${filterIndex.value} onChoose=${chooseFilter} />`;
}

function spokenMove(filter) {
  const value = movedAt(filter, current.value);
  return value === null ? "" : `, moved ${format(value)}`;
}

function Tile({ now, kernels, limit, place, filter }) {
  const { raw_input: raw, in_channels: channels } = layer.value;
  const value = movedAt(filter, now.epoch);
  return html`<span class="tile-number">${filter}</span>
    <span class="tile-pictures" data-mapped=${Boolean(now.arrays.maps)}>
      <${KernelPicture} kernels=${kernelsOf(kernels, place)} limit=${limit} coloured=${raw && channels === 3} />
      ${now.arrays.maps && html`<${TileMap} document=${now} place=${place} />`}
    </span>
    <span class="tile-moved"><${MovedLine} filter=${filter} /><span class="number">${value === null ? "" : format(value)}</span></span>`;
}

function TileMap({ document, place }) {
  const canvas = useRef(null);
  const colours = theme.value;
  const shared = sharedScale.value;
  useLayoutEffect(() => {
    const limits = Float32Array.of(document.arrays.limits.values[place], document.map_limit); // the layer's largest, too
    const only = { arrays: { maps: one(document.arrays.maps, place), limits: { values: limits } } };
    putImage(canvas.current, smallMap(only, 0, shared, colours));
  }, [document, place, shared, colours]);
  return html`<canvas ref=${canvas} class="tile-map" aria-hidden="true"></canvas>`;
}

/** One map as a stack of its own. */
function one({ values, shape: [, height, width] }, place) {
  return { values: values.subarray(place * height * width, (place + 1) * height * width), shape: [1, height, width] };
}
