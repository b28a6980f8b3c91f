/** What colours mean in numbers: a bar with its ends written out. */

import { useEffect, useRef } from "preact/hooks";
import { paint } from "../numbers/colour.js";
import { formatShort } from "../numbers/format.js";
import { theme } from "../state/store.js";
import { html } from "./html.js";

const STEPS = 64;
const RAMP = Float32Array.from({ length: STEPS }, (_, i) => (2 * i) / (STEPS - 1) - 1);
const ENDS = { diverging: { kind: "diverging", limit: 1 }, grey: { kind: "grey", low: -1, high: 1 } };

/** @param {{scale: import("../numbers/colour.js").Scale | null}} props null where every map has its own */
export function Legend({ scale }) {
  const canvas = useRef(null);
  const colours = theme.value;
  const [low, high] =
    scale === null ? [0, 0] : scale.kind === "grey" ? [scale.low, scale.high] : [-scale.limit, scale.limit];
  useEffect(() => {
    if (scale) paint(canvas.current, RAMP, [1, STEPS], ENDS[scale.kind], colours); // the same colours whatever the numbers
  }, [scale?.kind, colours]);
  if (scale === null) return html`<span class="legend">each its own</span>`;
  return html`<span class="legend">
    <span>${formatShort(low)}</span><canvas ref=${canvas} aria-hidden="true"></canvas>
    <span>${formatShort(high)}</span>
  </span>`;
}
