/** The open filter on several pictures, side by side on one scale. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { format, formatShare } from "../numbers/format.js";
import { signedScale } from "../numbers/scale.js";
import { hover, pin } from "../state/actions.js";
import { beside, besideKey, besideKind, others, swapWith, toggleCompared } from "../state/compared.js";
import { chain, live, network, picking, place, sharedScale } from "../state/store.js";
import { html } from "./html.js";
import { MapView, pixelMark } from "./map.js";
import { drawPicture } from "./pixels.js";
import { Radios } from "./radios.js";

const KINDS = [
  { key: "aggregated", label: "aggregated map" },
  { key: "activated", label: "feature map" },
  { key: "pooled", label: "pooled map" },
];

export function SideBySide() {
  if (chain.value.word.separate) return null;
  if (!others.value.length) {
    return live.value
      ? html`<p class="side-by-side"><button type="button" class="link" onClick=${() => (picking.value = true)}>Compare with other
          pictures …</button></p>`
      : null;
  }
  const kinds = KINDS.filter(({ key }) => chain.value.document.arrays[key]);
  const kind = kinds.some(({ key }) => key === besideKind.value) ? besideKind.value : "activated";
  const cards = [openCard(kind), ...others.value.map((id) => otherCard(id, kind))];
  const limit = Math.max(0, ...cards.map(({ most }) => most ?? 0));
  return html`<section class="side-by-side" aria-labelledby="side-by-side">
    <div class="side-head">
      <h3 id="side-by-side">The same filter on other pictures</h3>
      <${Radios}
        label="Which map" items=${kinds.map((each) => ({ ...each, body: each.label.split(" ")[0] }))}
        chosen=${kind} onChoose=${(key) => (besideKind.value = key)}
      />
    </div>
    <ul class="side-cards">${cards.map((card) => html`<${Card} key=${card.id} card=${card} kind=${kind} limit=${limit} />`)}</ul>
    <button type="button" class="link" onClick=${() => (picking.value = true)}>Other pictures …</button>
  </section>`;
}

/** The picture that everything else on the page speaks of. */
function openCard(kind) {
  const { picture, prediction, arrays } = network.value;
  const { [kind]: map } = chain.value.document.arrays;
  return { ...picture, open: true, pixels: arrays.picture, map, most: largest(map), prediction: prediction.slice(0, 3) };
}

function otherCard(id, kind) {
  const { document, problem, key } = beside.value[id] ?? {};
  if (!document) return { id, name: id, problem };
  const { [kind]: map, picture: pixels } = document.arrays;
  const { picture, prediction, limits } = document;
  return { ...picture, pixels, map, most: limits[kind], prediction, stale: key !== besideKey.value };
}

function largest(map) {
  return map ? signedScale(null, map.values).limit : 0;
}

function Card({ card, kind, limit }) {
  const { id, name, open, problem, pixels, map, most, prediction, stale } = card;
  if (problem) {
    return html`<li class="side-card"><p class="muted">${problem.problem}</p><${Away} id=${id} name=${name} /></li>`;
  }
  const ready = Boolean(map) && !stale;
  return html`<li class="side-card" data-picture=${id} data-ready=${ready}>
    <div class="side-picture">
      ${
        pixels
          ? html`<button type="button" disabled=${open} title=${open ? "" : `Open ${name}`} aria-label=${open ? `${name}, the open picture` : `Open ${name}`}
              onClick=${() => swapWith(id)}><${Pixels} pixels=${pixels} /></button>`
          : html`<div class="side-wait"></div>`
      }
      <span class="side-name" title=${name}>${open ? html`<b>${name}</b>` : name}</span>
      ${!open && html`<${Away} id=${id} name=${name} />`}
    </div>
    ${map ? html`<${Shown} map=${map} kind=${kind} name=${name} scale=${signedScale(sharedScale.value ? limit : most, [])} />` : html`<div class="map"><div class="side-wait"></div></div>`}
    <ol class="side-prediction" aria-label="Prediction for ${name}">
      ${(prediction ?? []).map((row) => html`<li key=${row.index}><span class="class-name" title=${row.name}>${row.name}</span><span class="share">${formatShare(row.share)}</span></li>`)}
    </ol>
  </li>`;
}

function Away({ id, name }) {
  return html`<button type="button" class="quiet round" aria-label="No longer compare with ${name}" onClick=${() => toggleCompared(id)}>×</button>`;
}

function Pixels({ pixels }) {
  const canvas = useRef(null);
  useLayoutEffect(() => drawPicture(canvas.current, pixels), [pixels]);
  return html`<canvas ref=${canvas} aria-hidden="true"></canvas>`;
}

/** A map of the layer's size with the place on it, or the pooled one with the cell. */
function Shown({ map, kind, name, scale }) {
  const size = map.shape;
  const pooled = kind === "pooled";
  const at = () => (pooled ? place.value.pool?.cell : place.value.pixel);
  return html`
    <${MapView}
      values=${map.values} size=${size} scale=${scale} label="${KINDS.find(({ key }) => key === kind).label} of ${name}"
      marks=${() => (at() ? [pixelMark(at())] : [])} onPoint=${pooled ? () => {} : hover} onPin=${pooled ? () => {} : pin}
    />
    <${Value} map=${map} at=${at} />`;
}

/** Alone, because it follows the pointer. */
function Value({ map, at }) {
  const pixel = at();
  return html`<span class="value">${pixel ? format(map.values[pixel.y * map.shape[1] + pixel.x]) : ""}</span>`;
}
