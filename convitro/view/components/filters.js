/** The filters of the open layer, each by the map that it makes. */

import { useMemo } from "preact/hooks";
import { mapsPerFilter } from "../numbers/geometry.js";
import { chooseFilter } from "../state/actions.js";
import { filterIndex, layer, layerMaps, sharedScale, theme } from "../state/store.js";
import { html } from "./html.js";
import { smallMapBitmap } from "./pixels.js";
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
  const document = layerMaps.value[name];
  const shared = sharedScale.value;
  const colours = theme.value;
  const source = useMemo(
    () => document && smallMapBitmap(document, index * mapsPerFilter(layer.value), shared, colours),
    [document, index, shared, colours],
  );
  const map = source ? html`<img src=${source} alt="" decoding="sync" draggable=${false} />` : html`<i class="filter-wait"></i>`;
  return html`${map}<span class="filter-number">${index}</span>`;
}
