/** A filter made by hand, run on a picture: what the library would compute, in the browser. */

import { strongest } from "./arithmetic.js";
import { activate, aggregate, maxPool, poolGeometry } from "./combine.js";
import { partialMap } from "./convolve.js";
import { outputExtent, paddingOf } from "./geometry.js";
import { compose } from "./kernels.js";

/**
 * @typedef {import("./kernels.js").Kernel} Kernel
 * @typedef {{
 *   kernels: Kernel[], stride: number, padding: "valid" | "same" | number, dilation: number,
 *   aggregation: string, bias: number, activation: "none" | "relu", pool: number
 * }} Filter `kernels` is one for all channels, or one for each; `pool` is the side of the windows, 0 for none
 */

/**
 * A filter's manifest on a picture, in the form that the layers of a network have.
 * @param {Filter} filter
 * @param {import("./samples.js").Sample} picture
 */
function manifestOf({ kernels: [{ rows, columns }], stride, padding, dilation }, { size, channels }) {
  const layer = {
    input_size: size,
    kernel_size: [rows, columns],
    stride: [stride, stride],
    dilation: [dilation, dilation],
    padding_mode: "zeros",
    combine: "multiply",
    window: "sum",
    in_channels: channels.length,
    raw_input: true,
  };
  layer.padding = paddingOf(padding, layer);
  layer.output_size = [outputExtent(layer, 0), outputExtent(layer, 1)];
  return layer;
}

/** The kernel that reads a channel. */
export function kernelOf(kernels, channel) {
  return kernels[Math.min(channel, kernels.length - 1)];
}

/**
 * Every map of a filter on a picture.
 * @param {Filter} filter
 * @param {import("./samples.js").Sample} picture
 * @returns {{layer: object, partials: Float32Array[], aggregated: Float32Array, activated: Float32Array,
 *   pool: object | null, pooled: Float32Array | null, switches: Uint8Array | null, strongest: {y: number, x: number}} | {layer: object, empty: true}}
 *   `empty` where the kernel finds no place to stand
 */
export function runFilter(filter, picture) {
  const layer = manifestOf(filter, picture);
  if (layer.output_size.includes(0)) return { layer, empty: true };
  const partials = picture.channels.map((channel, index) =>
    partialMap(layer, channel, kernelOf(filter.kernels, index).values),
  );
  const aggregated = aggregate(partials, filter.aggregation);
  const activated = activate(aggregated, filter.bias, filter.activation);
  const pool = filter.pool ? poolGeometry(filter.pool, layer.output_size) : null;
  const { values = null, switches = null } = pool ? maxPool(pool, activated, layer.output_size[1]) : {};
  return {
    layer, partials, aggregated, activated, pool, pooled: values, switches, strongest: strongest(layer, activated),
  }; // prettier-ignore
}

/**
 * The same kernel several times, one layer after the other, against the one large kernel that does it at once; one
 * channel, no padding.
 * @param {Kernel} kernel
 * @param {number} depth how often
 * @param {boolean} between whether ReLU stands between the layers
 * @param {import("./samples.js").Sample} picture
 * @returns {{steps: {layer: object, map: Float32Array}[], large: Kernel, whole: {layer: object, map: Float32Array}} | {large: Kernel, empty: true}}
 *   `steps`: what comes out of each layer
 */
export function runStack(kernel, depth, between, picture) {
  const large = Array.from({ length: depth - 1 }).reduce((all) => compose(all, kernel), kernel);
  const plain = { stride: 1, padding: "valid", dilation: 1 };
  const input = aggregate(picture.channels, "mean");
  const slide = (one, map, size) => {
    const layer = manifestOf({ ...plain, kernels: [one] }, { size, channels: [map] });
    return { layer, map: partialMap(layer, map, one.values) };
  };
  if (manifestOf({ ...plain, kernels: [large] }, picture).output_size.includes(0)) return { large, empty: true };
  const steps = [];
  for (let step = 0, [map, size] = [input, picture.size]; step < depth; step += 1) {
    const made = slide(kernel, map, size);
    if (between && step < depth - 1) made.map = activate(made.map, 0, "relu");
    steps.push(made);
    [map, size] = [made.map, made.layer.output_size];
  }
  return { steps, large, whole: slide(large, input, picture.size) };
}
