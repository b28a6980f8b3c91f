/** What colours mean in numbers: a bar with its ends written out. */

import { mapBitmap } from "../numbers/bitmap.js";
import { formatShort } from "../numbers/format.js";
import { theme } from "../state/store.js";
import { html } from "./html.js";

const STEPS = 64;

/** @param {{scale: import("../numbers/colour.js").Scale | null}} props null where every map has its own */
export function Legend({ scale }) {
  const [low, high] =
    scale === null ? [0, 0] : scale.kind === "grey" ? [scale.low, scale.high] : [-scale.limit, scale.limit];
  if (scale === null) return html`<span class="legend">each its own</span>`;
  return html`<span class="legend">
    <span>${formatShort(low)}</span><img src=${ramp(scale.kind, theme.value)} alt="" />
    <span>${formatShort(high)}</span>
  </span>`;
}

/** All colours of a scale from its low end to its high one; the same whatever the numbers. */
function ramp(kind, colours) {
  return mapBitmap([1, STEPS], (at) => Math.round((at / (STEPS - 1)) * 255), kind, colours);
}
