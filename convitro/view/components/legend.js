/** What colours mean in numbers: a bar with its ends written out. */

import { useEffect, useRef } from "preact/hooks";
import { paint } from "../numbers/colour.js";
import { formatShort } from "../numbers/format.js";
import { theme } from "../state/store.js";
import { html } from "./html.js";

const STEPS = 64;

/** @param {{scale: import("../numbers/colour.js").Scale | null}} props null where every map has its own */
export function Legend({ scale }) {
  const canvas = useRef(null);
  const colours = theme.value;
  const [low, high] = scale === null ? [0, 0] : scale.kind === "grey" ? [scale.low, scale.high] : [-scale.limit, scale.limit];
  useEffect(() => {
    if (!scale) return;
    const ramp = Float32Array.from({ length: STEPS }, (_, i) => low + ((high - low) * i) / (STEPS - 1));
    paint(canvas.current, ramp, [1, STEPS], scale, colours);
  }, [low, high, scale?.kind, colours]);
  if (scale === null) return html`<span class="legend">each its own</span>`;
  return html`<span class="legend">
    <span>${formatShort(low)}</span><canvas ref=${canvas} aria-hidden="true"></canvas>
    <span>${formatShort(high)}</span>
  </span>`;
}
