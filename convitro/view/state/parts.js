/** The arithmetic of every channel on the page, at the pixel that the page looks at. */

import { computed } from "@preact/signals";
import { mapOf } from "../data/document.js";
import { patchAt, products } from "../numbers/arithmetic.js";
import { limitOf } from "../numbers/scale.js";
import { chain, place } from "./store.js";

/** For each channel of the page its whole maps and, at the pixel, its patch and products. */
const parts = computed(() => {
  const { layer, inputs, document } = chain.value;
  const { pixel } = place.value;
  return inputs.channels.map((channel, index) => {
    const input = mapOf(inputs.arrays.inputs, index);
    const kernel = mapOf(document.arrays.kernels, index);
    const partial = mapOf(document.arrays.partial_maps, index);
    const { values: patch, outside } = patchAt(layer, input, pixel);
    const value = partial[pixel.y * layer.output_size[1] + pixel.x];
    return { channel, input, kernel, partial, value, patch, outside, product: products(layer, patch, kernel, outside) };
  });
});

/** The largest product of all channels of the page: the end of the products' shared scale. */
export const productLimit = computed(() => Math.max(...parts.value.map(({ product }) => limitOf(product))));

/**
 * The parts of one channel.
 * @param {number} index its place on this page
 */
export function partsOf(index) {
  return parts.value[index] ?? null;
}

/** What every channel of the page brings to the pixel. */
export const partialValues = computed(() => parts.value.map(({ value }) => value));
