/** Which colours the maps of the view take, and how its results are named. */

import { aggregate } from "../../numbers/combine.js";
import { kernelOf } from "../../numbers/handmade.js";
import { signedScale } from "../../numbers/scale.js";
import { clamp, winnerOf } from "../../numbers/window.js";
import { limits, picture, result, setting } from "../../state/play.js";
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
  const { kernels, aggregation, bias } = setting.value;
  const sums = picture.value.channels.map((_, index) => Float32Array.of(sumOf(kernelOf(kernels, index))));
  return lookScale(pooled ?? activated, aggregate(sums, aggregation)[0], bias);
}

/**
 * Around zero, or as a picture: there 0 is black, and white is what the kernel makes of a white area.
 * @param {Float32Array} values
 * @param {number} gain what the kernel makes of an area of 1
 * @param {number} [bias]
 */
export function lookScale(values, gain, bias = 0) {
  if (setting.value.look === "signed") return signedScale(null, values);
  const high = gain * pictureScale(picture.value).high + bias;
  if (high > 1e-6) return { kind: "grey", low: 0, high };
  return { kind: "grey", low: values.reduce((a, b) => Math.min(a, b), 0), high: values.reduce((a, b) => Math.max(a, b), 0) };
}

/** What a kernel makes of an area of 1. */
export function sumOf({ values }) {
  return values.reduce((total, value) => total + value, 0);
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
