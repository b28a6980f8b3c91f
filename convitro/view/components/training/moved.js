/** How far a filter has moved from where it began, over the epochs. */

import { highest, linear, pathOf } from "../../numbers/curves.js";
import { layer } from "../../state/store.js";
import { current, movement } from "../../state/training.js";
import { html } from "../html.js";

const [WIDTH, HEIGHT, INSET] = [64, 18, 2];

/** The numbers of one filter, epoch by epoch; null where they are not here. */
function rowOf(filter) {
  const document = movement.value;
  if (document?.layer !== layer.value?.name || !document.epochs.length) return null;
  const { values, shape: [count, filters] } = document.arrays.moved;
  return { epochs: document.epochs, values: Array.from({ length: count }, (_, at) => values[at * filters + filter]) };
}

/** ‖w − w₀‖ / ‖w₀‖ of a filter after an epoch; null where it is not known. */
export function movedAt(filter, epoch) {
  const row = rowOf(filter);
  const at = row ? row.epochs.indexOf(epoch) : -1;
  return at < 0 ? null : row.values[at];
}

/** A small line; all filters of a layer share its scale. */
export function MovedLine({ filter, width = WIDTH, height = HEIGHT }) {
  const row = rowOf(filter);
  if (!row) return html`<svg class="moved-line" width=${width} height=${height} aria-hidden="true"></svg>`;
  const most = highest([Array.from(movement.value.arrays.moved.values)]) || 1;
  const x = linear(row.epochs[0], row.epochs.at(-1), INSET, width - INSET);
  const y = linear(0, most, height - INSET, INSET);
  const at = row.epochs.indexOf(current.value);
  return html`<svg class="moved-line" width=${width} height=${height} viewBox="0 0 ${width} ${height}" aria-hidden="true">
    <path d=${pathOf(row.epochs, row.values, x, y)} />
    ${at >= 0 && Number.isFinite(row.values[at]) && html`<circle cx=${x(current.value)} cy=${y(row.values[at])} r="2.5" />`}
  </svg>`;
}
