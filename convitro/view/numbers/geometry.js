/** Sizes and costs: how large a map comes out, what it costs, and how far one of its pixels sees. */

/** What a person may write for the padding, besides a number. */
export const PADDING_WORDS = ["valid", "same"];

/**
 * The padding of a layer in numbers.
 * @param {"valid" | "same" | number} word "same" makes the output as large as the input, divided by the stride and
 *   rounded up; what cannot be shared equally goes to the bottom and to the right, as everywhere
 * @param {{input_size: number[], kernel_size: number[], stride: number[], dilation: number[]}} layer
 * @returns {[number, number, number, number]} top, bottom, left, right
 */
export function paddingOf(word, layer) {
  if (word === "valid") return [0, 0, 0, 0];
  if (word !== "same") return [word, word, word, word];
  return [0, 1].flatMap((axis) => {
    const [size, stride] = [layer.input_size[axis], layer.stride[axis]];
    const reach = reachOf(layer.kernel_size[axis], layer.dilation[axis]);
    const total = Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  });
}

/**
 * How many maps one filter of a layer hands on: one, or all partial maps where the layer keeps them apart.
 * @param {{separate: boolean, channels_per_filter: number}} layer
 */
export function mapsPerFilter({ separate, channels_per_filter: channels }) {
  return separate ? channels : 1;
}

/** How many maps all filters of a layer hand on. */
export function mapsOf(layer) {
  return layer.out_channels * mapsPerFilter(layer);
}

/** How many pixels a kernel spans: its size, with the gaps that dilation leaves. */
function reachOf(kernel, dilation) {
  return (kernel - 1) * dilation + 1;
}

/**
 * Rows (axis 0) or columns (axis 1) of the output: how many places the kernel finds; 0 where it finds none.
 * @param {object} layer with numbers for its padding
 * @param {0 | 1} axis
 */
export function outputExtent(layer, axis) {
  return Math.max(formulaExtent(layer, axis), 0);
}

/** What the formula of the output size gives: less than 1 where the kernel finds no place. */
function formulaExtent(layer, axis) {
  const free = paddedExtent(layer, axis) - reachOf(layer.kernel_size[axis], layer.dilation[axis]);
  return Math.floor(free / layer.stride[axis]) + 1;
}

function paddedExtent(layer, axis) {
  return layer.input_size[axis] + layer.padding[2 * axis] + layer.padding[2 * axis + 1];
}

/**
 * Rows (axis 0) or columns (axis 1) at the end of the input that the kernel never gets to, because the stride does not
 * divide what there is; padding that is left out does not count.
 * @param {object} layer with numbers for its padding
 * @param {0 | 1} axis
 */
export function unreadExtent(layer, axis) {
  const free = paddedExtent(layer, axis) - reachOf(layer.kernel_size[axis], layer.dilation[axis]);
  return free < 0 ? 0 : Math.max((free % layer.stride[axis]) - layer.padding[2 * axis + 1], 0);
}

/**
 * The formula of the output size with its numbers: "⌊(28 + 1 + 1 − 1 · (3 − 1) − 1) / 2⌋ + 1 = 14".
 * @param {object} layer
 * @param {0 | 1} axis
 */
export function outputFormula(layer, axis) {
  const [before, after] = [layer.padding[2 * axis], layer.padding[2 * axis + 1]];
  const [kernel, dilation, stride] = [layer.kernel_size[axis], layer.dilation[axis], layer.stride[axis]];
  const found = formulaExtent(layer, axis);
  return `⌊(${layer.input_size[axis]} + ${before} + ${after} − ${dilation} · (${kernel} − 1) − 1) / ${stride}⌋ + 1 = ${found}`.replace("= -", "= −");
}

/**
 * What a convolution holds and costs.
 * @param {{channels: number, filters: number, kernel_size: number[], output_size: number[], bias?: boolean}} layer
 * @returns {{parameters: number, macs: number}} MACs as the library counts them: the bias is free
 */
export function costOf({ channels, filters, kernel_size: [kh, kw], output_size: [rows, columns], bias = true }) {
  const weights = filters * channels * kh * kw;
  return { parameters: weights + (bias ? filters : 0), macs: weights * rows * columns };
}

/**
 * How far one pixel sees after several layers, along one axis.
 * @param {{kernel: number, stride?: number, dilation?: number}[]} layers from the picture on; poolings count, too
 * @returns {{size: number, jump: number, formula: string}} `jump`: how far apart on the picture the views of two
 *   neighbours lie
 */
export function receptiveField(layers) {
  let [size, jump] = [1, 1];
  const terms = ["1"];
  for (const { kernel, stride = 1, dilation = 1 } of layers) {
    const factors = [`(${kernel} − 1)`, ...[dilation, jump].filter((factor) => factor > 1)];
    terms.push(factors.join(" · "));
    size += (kernel - 1) * dilation * jump;
    jump *= stride;
  }
  return { size, jump, formula: terms.join(" + ") };
}
