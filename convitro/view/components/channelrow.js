/** One channel's way through the filter: its map, the patch under the kernel, the kernel, the products, its partial map. */

import { useRef } from "preact/hooks";
import { mapOf } from "../data/document.js";
import { COMBINE_SIGNS } from "../numbers/arithmetic.js";
import { format } from "../numbers/format.js";
import { channelName, inputScale, signedScale } from "../numbers/scale.js";
import { outputNear, shownTo } from "../numbers/window.js";
import { hover, pin } from "../state/actions.js";
import { kernelScale, opposing, opposingWords, partsOf, patchScale, productScale } from "../state/parts.js";
import { chain, detailed, place, reached, sharedScale } from "../state/store.js";
import { FEWEST } from "./contributions.js";
import { html } from "./html.js";
import { MapView, pixelMark } from "./map.js";
import { Matrix } from "./matrix.js";
import { useNear, useVisible } from "./visible.js";

/**
 * @param {{channel: number, index: number, first: boolean}} props the channel's number in the input, its place on this
 *   page, and whether it is the first row: that one is the tab stop, arrow keys lead to the others
 */
export function ChannelRow({ channel, index, first }) {
  const row = useRef(null);
  const visible = useVisible(row);
  const near = useNear(row);
  const { layer, inputs } = chain.value;
  if (index >= inputs.channels.length) return null;
  const input = mapOf(inputs.arrays.inputs, index);
  const shared = sharedScale.value;
  const name = channelName(layer, channel);
  const label = layer.raw_input ? name : `channel ${name}`;
  const follow = (read) => () => (visible.value ? read() : []);
  return html`<div ref=${row} class="channel-row" role="group" aria-label=${label} data-index=${index}>
    <span class="channel-name" data-channel=${layer.raw_input ? name : ""}>
      ${!layer.raw_input && html`<small>ch</small> `}${name}
    </span>
    ${inputs.channels.length >= FEWEST && html`<${PairMark} channel=${channel} visible=${visible} />`}
    <div class="column" data-column="input" data-caption="channel">
      <${MapView}
        visible=${visible} near=${near} values=${input} size=${layer.input_size} scale=${inputScale(layer, inputs, shared ? null : input)} label="${label}, the input"
        marks=${follow(() => [{ box: place.value.window, kind: "window" }])}
        onPoint=${(at) => hover(at && outputNear(layer, at))} onPin=${(at) => pin(outputNear(layer, at))}
      />
      <${Magnifier} visible=${visible} />
    </div>
    <${Products} index=${index} label=${label} first=${first} visible=${visible} />
    <div class="column" data-column="partial" data-caption="partial map">
      <${PartialMap} index=${index} label=${label} visible=${visible} near=${near} />
    </div>
    <${PartialValue} index=${index} visible=${visible} />
  </div>`;
}

/** Patch, kernel and products, and the way to all their digits. */
function Products({ index, label, first, visible }) {
  const { layer } = chain.value;
  const sign = COMBINE_SIGNS[layer.combine];
  const parts = () => (visible.value ? partsOf(index) : null);
  const matrix = (name, read) => html`<span class="column" data-column=${name} data-caption=${name}>
    <${Matrix} size=${layer.kernel_size} label=${name} read=${() => parts() && read(parts())} />
  </span>`;
  return html`<button type="button" class="products" aria-label="${label}: write out the products" tabindex=${first ? 0 : -1}
    onKeyDown=${toNeighbour} onClick=${() => (detailed.value = index)}>
    ${matrix("patch", ({ patch, outside, input }) => ({ values: patch, outside, scale: patchScale(input) }))}
    <span class="sign" data-long=${sign.length > 1} aria-hidden="true">${sign}</span>
    ${matrix("kernel", ({ kernel }) => ({ values: kernel, scale: kernelScale(kernel) }))}
    <span class="sign" aria-hidden="true">=</span>
    ${matrix("products", ({ product, outside }) => ({ values: product, outside, scale: productScale(product) }))}
  </button>`;
}

/** Alone, because it fills while the kernel slides. */
function PartialMap({ index, label, visible, near }) {
  const { layer, document } = chain.value;
  const values = mapOf(document.arrays.partial_maps, index);
  return html`<${MapView}
    visible=${visible} near=${near} values=${visible.value ? shownTo(reached.value, values) : values} size=${layer.output_size} label="${label}, partial map"
    scale=${signedScale(sharedScale.value ? document.limits.partial_maps : null, values)}
    marks=${() => (visible.value ? [pixelMark(place.value.pixel)] : [])} onPoint=${hover} onPin=${pin}
  />`;
}

function PartialValue({ index, visible }) {
  if (!visible.value) return html`<span class="partial-value"></span>`;
  const { value } = partsOf(index) ?? { value: 0 };
  return html`<span class="partial-value" data-sign=${value < 0 ? "negative" : "positive"}>${format(value)}</span>`;
}

/** The channel that this one cancels with at the pixel, where the two are among the strongest. */
function PairMark({ channel, visible }) {
  if (!visible.value) return null;
  const rank = opposing.value.findIndex(({ up, down }) => up === channel || down === channel);
  if (rank < 0) return null;
  const { up, down } = opposing.value[rank];
  const other = channelName(chain.value.layer, up === channel ? down : up);
  return html`<span class="pair-mark" data-rank=${rank} title="this channel and ${other} ${opposingWords}">
    <span class="only-heard">${`with channel ${other}: they ${opposingWords}`}</span><span aria-hidden="true">↔ ${other}</span></span>`;
}

/** Up and down lead to the products of the rows above and below. */
function toNeighbour(event) {
  const row = event.currentTarget.closest(".channel-row");
  const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
  if (!next) return;
  event.preventDefault();
  next.querySelector(".products").focus();
}

const GAP = 0.24; // of a map's width, between a channel and its patch; the same number as in tokens.css

/** Lines from the window on the channel to the enlarged patch beside it. */
function Magnifier({ visible }) {
  if (!visible.value) return null;
  const {
    input_size: [height, width],
    kernel_size: [kh, kw],
  } = chain.value.layer;
  const { window } = place.value;
  const side = Math.max(height, width);
  const along = (at, count) => (Math.min(Math.max(at, 0), count) + (side - count) / 2) / side;
  const right = along(window.left + window.width, width);
  const top = along(window.top, height);
  const bottom = along(window.top + window.height, height);
  const inset = (1 - kh / Math.max(kh, kw)) / 2;
  const line = (from, to) => `M${right} ${from}L${1 + GAP} ${to}`;
  return html`<svg class="magnifier" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
    <path d="${line(top, inset)}${line(bottom, 1 - inset)}" />
  </svg>`;
}
