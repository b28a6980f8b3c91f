/** Which colours the maps of the view take, and how its results are named. */

import { signedScale } from "../../numbers/scale.js";
import { clamp, winnerOf } from "../../numbers/window.js";
import { limits, result, setting } from "../../state/play.js";
import { sharedScale } from "../../state/store.js";

/** The scale of the picture and its channels: 0 is black, 1 white, unless there are larger numbers. */
export function pictureScale({ channels }) {
  const high = Math.max(1, ...channels.map((channel) => channel.reduce((most, value) => Math.max(most, value), 0)));
  return { kind: "grey", low: 0, high };
}

/** The scale of what comes out, as the person chose it. */
export function resultScale() {
  const { empty, activated, pooled } = result.value;
  if (empty) return { kind: "diverging", limit: 0 };
  return lookScale(setting.value.look, pooled ?? activated);
}

/** Around zero, or from black to white: 0 to 1 where all values lie there. */
export function lookScale(look, values) {
  if (look === "signed") return signedScale(null, values);
  let [low, high] = [0, 1];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return { kind: "grey", low, high };
}

/** The scale of a map that shares it with others of its column. */
export function columnScale(name, values) {
  return signedScale(sharedScale.value ? limits.value[name] : null, values);
}

/** "feature map, 14 × 14": what the large result is. */
export function resultTitle() {
  const { layer, pool } = result.value;
  const size = (pool ?? layer).output_size.join(" × ");
  return `${pool ? "pooled map" : "feature map"}, ${size}`;
}

/** The feature-map pixel that won a pooling window. */
export function pixelOfPooled(cell) {
  const { pool, switches } = result.value;
  return winnerOf(pool, switches, clamp(cell, pool.output_size));
}
