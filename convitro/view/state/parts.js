/** The arithmetic of every channel on the page, at the pixel that the page looks at, and the colours it takes. */

import { computed } from "@preact/signals";
import { mapOf } from "../data/document.js";
import { patchAt, products } from "../numbers/arithmetic.js";
import { opposingPairs, pairsAt } from "../numbers/opposition.js";
import { inputScale, limitOf, signedScale } from "../numbers/scale.js";
import { chain, opposition, place, sharedScale } from "./store.js";

/** For each channel of the page its whole maps and, at the pixel, its patch and products. */
const parts = computed(() => {
  const { layer, inputs, document } = chain.value;
  const { pixel } = place.value;
  return inputs.channels.map((channel, index) => {
    const input = mapOf(inputs.arrays.inputs, index);
    const kernel = mapOf(document.arrays.kernels, index);
    const { values: patch, outside } = patchAt(layer, input, pixel);
    const value = mapOf(document.arrays.partial_maps, index)[pixel.y * layer.output_size[1] + pixel.x];
    return { channel, input, kernel, value, patch, outside, product: products(layer, patch, kernel, outside) };
  });
});

/**
 * The parts of one channel.
 * @param {number} index its place on this page
 */
export function partsOf(index) {
  return parts.value[index] ?? null;
}

/** What every channel of the page brings to the pixel. */
export const partialValues = computed(() => parts.value.map(({ value }) => value));

const MOST_PAIRS = 3;

/** Whether the pairs are those of all channels, or of this page alone. */
export const opposingAll = computed(() => {
  const { layer, filter, inputs } = chain.value;
  const known = opposition.value?.layer === layer.name && opposition.value.filter === filter;
  return known || inputs.channels.length === layer.channels_per_filter;
});

/** The channels that pull the pixel most in opposite directions, by their numbers. */
export const opposing = computed(() => {
  const { word, layer, filter, inputs } = chain.value;
  if (word.separate) return [];
  const whole = opposition.value;
  if (whole?.layer === layer.name && whole.filter === filter) return pairsAt(whole.arrays, place.value.pixel);
  const pairs = opposingPairs(partialValues.value, MOST_PAIRS);
  return pairs.map((pair) => ({ ...pair, up: inputs.channels[pair.up], down: inputs.channels[pair.down] }));
});

/** What opposing channels do to each other: in a sum they cancel. */
export const opposingWords = computed(() =>
  ["sum", "mean"].includes(chain.value.word.name) ? "cancel here" : "pull against each other here",
);

/** The largest product of all channels of the page: the end of the products' shared scale. */
export const productLimit = computed(() => Math.max(...parts.value.map(({ product }) => limitOf(product))));

/** The colours of a patch: those of the channel that it is cut from. */
export function patchScale(input) {
  const { layer, inputs } = chain.value;
  return inputScale(layer, inputs, sharedScale.value ? null : input);
}

/** The colours of a kernel. */
export function kernelScale(kernel) {
  return signedScale(sharedScale.value ? chain.value.document.limits.kernels : null, kernel);
}

/** The colours of a channel's products. */
export function productScale(product) {
  return signedScale(sharedScale.value ? productLimit.value : null, product);
}
