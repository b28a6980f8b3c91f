/** The layers in a row, each a card with all its feature maps. */

import { useMemo } from "preact/hooks";
import { mapsOf, mapsPerFilter } from "../numbers/geometry.js";
import { chooseFilter, chooseLayer } from "../state/actions.js";
import { filterIndex, layerMaps, layerName, network, sharedScale, theme } from "../state/store.js";
import { html } from "./html.js";
import { smallMap } from "./pixels.js";
import { Radios } from "./radios.js";

const [WIDTH, HEIGHT, GAP] = [128, 80, 1];

export function LayerStrip() {
  const items = network.value.layers.map((layer) => ({
    key: layer.name,
    label: `${layer.name}: ${layer.in_channels} channels to ${mapsOf(layer)} maps, ${describe(layer)}`,
    body: html`<${LayerCard} layer=${layer} />`,
    onClick: (event) => choosePlace(event, layer),
  }));
  return html`<${Radios}
    label="Layers"
    class="layer-strip"
    itemClass="layer-card"
    items=${items}
    chosen=${layerName.value}
    onChoose=${(name) => chooseLayer(name)}
  />`;
}

function LayerCard({ layer }) {
  const maps = layerMaps.value[layer.name];
  const shared = sharedScale.value;
  const colours = theme.value;
  const source = useMemo(() => maps && mosaic(maps, shared, colours), [maps, shared, colours]);
  return html`
    <span class="layer-title" title=${layer.name}><b>${layer.name}</b></span>
    <span class="mosaic" data-ready=${Boolean(maps)}>
      ${source && html`<img src=${source} alt="" decoding="sync" draggable=${false} />`}
      ${maps && layer.name === layerName.value && html`<${Chosen} layer=${layer} maps=${maps} />`}
    </span>
    <span class="layer-facts">
      ${layer.in_channels} → <b>${mapsOf(layer)}</b> · ${layer.kernel_size.join("×")}
      ${layer.pool && html`<span class="pooled-mark" title="then pooled">▾${layer.pool.stride[0]}</span>`}
    </span>
  `;
}

/** The frame around the chosen filter's map. */
function Chosen({ layer, maps }) {
  const [count, ...size] = maps.arrays.maps.shape;
  const place = grid(count, size);
  const { x, y } = tileCorner(place, filterIndex.value * mapsPerFilter(layer));
  const style = { left: `${x}px`, top: `${y}px`, width: `${place.width}px`, height: `${place.height}px` };
  return html`<i class="mosaic-chosen" style=${style}></i>`;
}

/** Columns, rows and tile side that fill a card with so many maps. */
function grid(count, [height, width]) {
  const aspect = width / height;
  let best = { columns: count, tile: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const tile = Math.min((WIDTH - GAP) / columns - GAP, ((HEIGHT - GAP) / rows - GAP) * aspect);
    if (tile > best.tile) best = { columns, tile };
  }
  const { columns, tile } = best;
  const rows = Math.ceil(count / columns);
  return {
    columns,
    width: tile,
    height: tile / aspect,
    left: (WIDTH - columns * (tile + GAP) + GAP) / 2,
    top: (HEIGHT - rows * (tile / aspect + GAP) + GAP) / 2,
  };
}

function tileCorner(place, index) {
  return {
    x: place.left + (index % place.columns) * (place.width + GAP),
    y: place.top + Math.floor(index / place.columns) * (place.height + GAP),
  };
}

/** All maps of a layer as the address of one picture: a canvas would lie on a sheet of its own (see numbers/bitmap.js). */
function mosaic(maps, shared, colours) {
  const ratio = window.devicePixelRatio || 1;
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH * ratio;
  canvas.height = HEIGHT * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const [count, rows, columns] = maps.arrays.maps.shape;
  const place = grid(count, [rows, columns]);
  context.imageSmoothingEnabled = place.width < columns;
  const tile = new OffscreenCanvas(columns, rows);
  for (let index = 0; index < count; index += 1) {
    tile.getContext("2d").putImageData(smallMap(maps, index, shared, colours), 0, 0);
    const { x, y } = tileCorner(place, index);
    context.drawImage(tile, x, y, place.width, place.height);
  }
  return canvas.toDataURL();
}

/** A click on a map opens its filter, one beside the maps opens the layer. */
function choosePlace(event, layer) {
  const picture = event.currentTarget.querySelector("img");
  const maps = layerMaps.value[layer.name];
  if (!maps || event.target !== picture) return layer.name !== layerName.value && chooseLayer(layer.name);
  const rect = picture.getBoundingClientRect();
  const [count, ...size] = maps.arrays.maps.shape;
  const place = grid(count, size);
  const column = Math.floor((((event.clientX - rect.left) / rect.width) * WIDTH - place.left) / (place.width + GAP));
  const row = Math.floor((((event.clientY - rect.top) / rect.height) * HEIGHT - place.top) / (place.height + GAP));
  const map = row * place.columns + column;
  const hit = column >= 0 && column < place.columns && row >= 0 && map < count;
  const index = Math.floor(map / mapsPerFilter(layer));
  if (layer.name !== layerName.value) return hit ? chooseLayer(layer.name, index) : chooseLayer(layer.name);
  return hit && chooseFilter(index);
}

function describe(layer) {
  return `kernels of ${layer.kernel_size.join(" by ")}${layer.pool ? `, then ${layer.pool.mode} pooling` : ""}`;
}
