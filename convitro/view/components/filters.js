/** The filters of the open layer, each by the map that it makes. */

import { useEffect, useRef } from "preact/hooks";
import { chooseFilter } from "../state/actions.js";
import { filterIndex, layer, layerMaps, sharedScale, theme } from "../state/store.js";
import { html } from "./html.js";
import { mapsPerFilter, smallMap } from "./pixels.js";
import { Radios } from "./radios.js";

export function FilterPicker() {
  const { name, out_channels: count, kept } = layer.value;
  const items = Array.from({ length: count }, (_, index) => ({
    key: index,
    label: kept && !kept.includes(index) ? `filter ${index}, not in this report` : `filter ${index}`,
    faint: kept && !kept.includes(index),
    body: html`<${FilterTile} layer=${name} index=${index} />`,
  }));
  return html`<${Radios}
    label="Filters of ${name}"
    class="filter-strip"
    itemClass="filter-tile"
    items=${items}
    chosen=${filterIndex.value}
    onChoose=${chooseFilter}
  />`;
}

function FilterTile({ layer: name, index }) {
  const canvas = useRef(null);
  const document = layerMaps.value[name];
  const shared = sharedScale.value;
  const colours = theme.value;
  useEffect(() => {
    if (!document) return;
    const image = smallMap(document, index * mapsPerFilter(layer.value, document), shared, colours);
    canvas.current.width = image.width;
    canvas.current.height = image.height;
    canvas.current.getContext("2d").putImageData(image, 0, 0);
  }, [document, index, shared, colours]);
  return html`<canvas ref=${canvas} aria-hidden="true"></canvas><span class="filter-number">${index}</span>`;
}
