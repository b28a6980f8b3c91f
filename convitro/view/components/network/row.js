/** One row of the network: its piece of the ways, its name and facts, its maps. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatCount } from "../../numbers/format.js";
import { mapsOf, mapsPerFilter } from "../../numbers/geometry.js";
import { chooseLayer } from "../../state/actions.js";
import { folded, openings, toggleGroup, unit } from "../../state/network.js";
import { layerMaps, layerName, network, sharedScale, theme } from "../../state/store.js";
import { chooseView } from "../../state/views.js";
import { html } from "../html.js";
import { smallMap } from "../pixels.js";
import { Ways } from "./ways.js";

const HEIGHTS = { layer: 76, group: 60 };
const [SIDE, GAP] = [48, 4];
const FOR_MORE = 48; // pixels for the number of maps that have no room
const JOINED = { add: "+", concat: "concat", multiply: "×", merge: "merge" };
const WORDS = { input: "the picture", output: "the answer", add: "added", concat: "one after the other", multiply: "multiplied" };

/** How many pixels a node's row is high. */
export function heightOf({ kind }) {
  return HEIGHTS[kind] ?? 34;
}

/** @param {{row: import("../../numbers/lanes.js").Row, lanes: number}} props */
export function NodeRow({ row, lanes }) {
  const { node } = row;
  const height = heightOf(node);
  return html`<li class="network-row" data-kind=${node.kind} style=${{ height: `${height}px` }}>
    <${Ways} row=${row} lanes=${lanes} height=${height} />
    ${node.kind === "layer" ? html`<${Layer} name=${node.name} />` : node.kind === "group" ? html`<${Group} node=${node} />` : html`<${Joint} node=${node} />`}
  </li>`;
}

function Joint({ node }) {
  const sign = JOINED[node.kind];
  return html`<span class="joint">${sign && html`<b>${sign}</b> `}<span class="muted">${WORDS[node.kind] ?? ""}</span></span>`;
}

function Group({ node }) {
  const { layers } = network.value;
  const inside = layers.filter(({ name }) => node.members.includes(name));
  const parameters = inside.reduce((sum, layer) => sum + layer.parameters, 0);
  return html`<button type="button" class="group-card" aria-expanded="false" onClick=${() => toggleGroup(node.name)}>
    <b>▸ ${node.name}</b>
    <span class="muted">${inside.length} layers, ${formatCount(parameters)} parameters</span>
  </button>`;
}

function Layer({ name }) {
  const layer = network.value.layers.find((each) => each.name === name);
  if (!layer) return html`<span class="joint muted">${name}</span>`;
  const group = openings.value.get(name);
  const open = (filter) => {
    chooseLayer(name, filter);
    chooseView("filter");
  };
  return html`<div class="node-head">
      <span class="node-title">
        ${group !== undefined && !folded.value.has(group) && html`<button type="button" class="fold" aria-expanded="true" aria-label="Fold ${group}" title="Fold ${group}" onClick=${() => toggleGroup(group)}>▾</button>`}
        <button type="button" class="link" aria-current=${name === layerName.value ? "true" : undefined} onClick=${() => open()} title=${name}>${name}</button>
      </span>
      <span class="muted">${facts(layer)}</span>
      <span class="muted node-parameters">${formatCount(layer.parameters)} <span>parameters</span></span>
    </div>
    <${Maps} layer=${layer} onOpen=${open} />`;
}

function facts(layer) {
  const { in_channels: channels, kernel_size: size, stride, pool } = layer;
  const steps = stride.some((step) => step > 1) ? `, stride ${[...new Set(stride)].join("×")}` : "";
  return `${channels} → ${mapsOf(layer)} · ${size.join("×")}${steps}${pool ? ` ▾${pool.stride[0]}` : ""}`;
}

/** As many maps as there is room for, on one canvas. */
function Maps({ layer, onOpen }) {
  const canvas = useRef(null);
  const [shown, show] = useState(0);
  const document = layerMaps.value[layer.name];
  const [shared, colours] = [sharedScale.value, theme.value];
  useLayoutEffect(() => {
    if (document) show(draw(canvas.current, document, shared, colours));
  }, [document, shared, colours]);
  if (!document) return html`<div class="node-maps" data-ready="false"></div>`;
  const count = document.arrays.maps.shape[0];
  const under = (event) => mapUnder(event, document);
  return html`<div class="node-maps" data-ready="true">
    <canvas
      ref=${canvas}
      role="img"
      aria-label="${count} maps of ${layer.name}"
      onPointerMove=${(event) => (unit.value = pointed(layer, under(event), document))}
      onPointerLeave=${() => (unit.value = null)}
      onClick=${(event) => {
        const place = under(event);
        if (place) onOpen(Math.floor(place.map / mapsPerFilter(layer)));
      }}
    ></canvas>
    ${shown > 0 && shown < count && html`<span class="more-maps muted" title="${count - shown} more maps: open the layer to see them all">+ ${count - shown}</span>`}
  </div>`;
}

/** Draw the maps, each in a thin frame, since an empty one is there, too; how many of them have room. */
function draw(canvas, document, shared, colours) {
  const [count, rows, columns] = document.arrays.maps.shape;
  const { width, height } = tile(document);
  const room = canvas.parentElement.clientWidth;
  const within = (space) => Math.floor((space + GAP) / (width + GAP));
  const fitting = within(room) >= count ? count : Math.max(1, within(room - FOR_MORE));
  const ratio = window.devicePixelRatio || 1;
  const across = fitting * (width + GAP) - GAP;
  canvas.style.width = `${across}px`;
  canvas.style.height = `${height}px`;
  canvas.width = across * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = width < columns;
  context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--line");
  const one = new OffscreenCanvas(columns, rows);
  for (let index = 0; index < fitting; index += 1) {
    one.getContext("2d").putImageData(smallMap(document, index, shared, colours), 0, 0);
    const left = index * (width + GAP);
    context.drawImage(one, left, 0, width, height);
    context.strokeRect(left + 0.5, 0.5, width - 1, height - 1);
  }
  return fitting;
}

function tile(document) {
  const [, rows, columns] = document.arrays.maps.shape;
  return { width: Math.min(SIDE * 2, (SIDE * columns) / rows), height: SIDE };
}

/** The map and the place in it under the pointer, as shares of its height and width. */
function mapUnder(event, document) {
  const rect = event.currentTarget.getBoundingClientRect();
  const { width, height } = tile(document);
  const x = event.clientX - rect.left;
  const map = Math.floor(x / (width + GAP));
  const across = (x - map * (width + GAP)) / width;
  const down = (event.clientY - rect.top) / height;
  return across < 1 && map < document.arrays.maps.shape[0] ? { map, down, across } : null;
}

function pointed(layer, place) {
  if (!place) return null;
  const [rows, columns] = layer.pool?.output_size ?? layer.output_size; // the small maps may be smaller still
  return { layer, map: place.map, y: Math.floor(place.down * rows), x: Math.floor(place.across * columns) };
}
