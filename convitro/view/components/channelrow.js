/** One channel's way through the filter: its map, the patch under the kernel, the kernel, the products, its partial map. */

import { COMBINE_SIGNS } from "../numbers/arithmetic.js";
import { format } from "../numbers/format.js";
import { channelName, inputScale, signedScale } from "../numbers/scale.js";
import { outputNear } from "../numbers/window.js";
import { hover, pin } from "../state/actions.js";
import { partsOf, productLimit } from "../state/parts.js";
import { chain, detailed, place, sharedScale } from "../state/store.js";
import { html } from "./html.js";
import { MapView } from "./map.js";
import { Matrix } from "./matrix.js";

/**
 * @param {{channel: number, index: number, first: boolean}} props the channel's number in the input, its place on this
 *   page, and whether it is the first row: that one is the tab stop, arrow keys lead to the others
 */
export function ChannelRow({ channel, index, first }) {
  const parts = partsOf(index);
  if (!parts) return null;
  const { input, partial, value, patch, kernel, product, outside } = parts;
  const { layer, inputs, document } = chain.value;
  const name = channelName(layer, channel);
  const { pixel, window } = place.value;
  const shared = sharedScale.value;
  const ofInput = inputScale(layer, inputs, shared ? null : input);
  const ofKernel = signedScale(shared ? document.limits.kernels : null, kernel);
  const box = (at) => ({ top: at.y, left: at.x, height: 1, width: 1 });
  const label = layer.raw_input ? name : `channel ${name}`;
  return html`<div class="channel-row" role="group" aria-label=${label} data-index=${index}>
    <span class="channel-name" data-channel=${layer.raw_input ? name : ""}>${layer.raw_input ? name : html`<small>ch</small> ${name}`}</span>
    <div class="column" data-column="input" data-caption="channel">
      <${MapView}
        values=${input} size=${layer.input_size} scale=${ofInput} label="${label}, the input"
        marks=${[{ box: window, kind: "window" }]}
        onPoint=${(at) => hover(at && outputNear(layer, at))} onPin=${(at) => pin(outputNear(layer, at))}
      />
      <${Magnifier} window=${window} size=${layer.input_size} kernel=${layer.kernel_size} />
    </div>
    <button type="button" class="products" aria-label="${label}: write out the products" tabindex=${first ? 0 : -1}
      onKeyDown=${toNeighbour} onClick=${() => (detailed.value = index)}>
      <span class="column" data-column="patch" data-caption="patch"><${Matrix} values=${patch} size=${layer.kernel_size} scale=${ofInput} outside=${outside} label="patch" /></span>
      <span class="sign" data-long=${COMBINE_SIGNS[layer.combine].length > 1} aria-hidden="true">${COMBINE_SIGNS[layer.combine]}</span>
      <span class="column" data-column="kernel" data-caption="kernel"><${Matrix} values=${kernel} size=${layer.kernel_size} scale=${ofKernel} label="kernel" /></span>
      <span class="sign" aria-hidden="true">=</span>
      <span class="column" data-column="products" data-caption="products"><${Matrix} values=${product} size=${layer.kernel_size} scale=${signedScale(shared ? productLimit.value : null, product)} outside=${outside} label="products" /></span>
    </button>
    <div class="column" data-column="partial" data-caption="partial map">
      <${MapView}
        values=${partial} size=${layer.output_size} scale=${signedScale(shared ? document.limits.partial_maps : null, partial)}
        label="${label}, partial map" marks=${[{ box: box(pixel), kind: "pixel" }]} onPoint=${hover} onPin=${pin}
      />
    </div>
    <span class="partial-value" data-sign=${value < 0 ? "negative" : "positive"}>${format(value)}</span>
  </div>`;
}

/** Up and down lead to the products of the rows above and below. */
function toNeighbour(event) {
  const row = event.currentTarget.closest(".channel-row");
  const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
  if (!next) return;
  event.preventDefault();
  next.querySelector(".products").focus();
}

const GAP = 0.24; // of a map's width, between a channel and its patch; the same number as in chain.css

/** Lines from the window on the channel to the enlarged patch beside it. */
function Magnifier({ window, size: [height, width], kernel: [kh, kw] }) {
  const side = Math.max(height, width);
  const along = (at, count) => (Math.min(Math.max(at, 0), count) + (side - count) / 2) / side;
  const right = along(window.left + window.width, width);
  const top = along(window.top, height);
  const bottom = along(window.top + window.height, height);
  const inset = (1 - kh / Math.max(kh, kw)) / 2;
  const corner = (from, to) => `M${right} ${from}L${1 + GAP} ${to}`;
  return html`<svg class="magnifier" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
    <path d="${corner(top, inset)}${corner(bottom, 1 - inset)}" />
  </svg>`;
}
