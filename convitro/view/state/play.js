/** The view "Play": what is set by hand, and everything that follows from it, computed here in the browser. */

import { batch, computed, signal } from "@preact/signals";
import { patchAt, products } from "../numbers/arithmetic.js";
import { kernelOf, runFilter, runStack } from "../numbers/handmade.js";
import { resize, tidy } from "../numbers/kernels.js";
import { limitOf } from "../numbers/scale.js";
import { sample } from "../numbers/samples.js";
import { clamp, pixelAt, pooledTo, poolPlace, shownTo, windowBox } from "../numbers/window.js";
import { readSetting, writeSetting } from "./playaddress.js";
import { presetOf } from "./presets.js";
import { network } from "./store.js";

const NOT_YET = { values: new Uint8Array(1), shape: [1, 1, 1] }; // until the network is here

/** All that is chosen; the address keeps it. */
export const setting = signal(readSetting(null));

/** The channel whose kernel is open in the editor, where each has its own. */
export const editing = signal(0);

/** What the pointer is over: {y, x} of the output, or null. */
export const pointed = signal(null);

/** While the kernel slides: the output pixel it has come to, in reading order; null where all of them are shown. */
export const reached = signal(null);

/** What is wrong with what was typed or pasted; "" where nothing is. */
export const complaint = signal("");

const from = computed(() => setting.value.from);
const grey = computed(() => setting.value.grey);
const side = computed(() => setting.value.side);
const opened = computed(() => network.value?.arrays.picture ?? NOT_YET);

/** Whether the open picture, or the chosen sample, has colours to keep. */
export const colourful = computed(() => from.value !== "picture" || opened.value.shape[2] === 3);

/** The picture as the kernel reads it. */
export const picture = computed(() => sample(from.value, grey.value, opened.value, side.value));

/** The maps of the filter on the picture; see `runFilter`. */
export const result = computed(() => runFilter(setting.value, picture.value));

/** The maps of a stack of layers; null where no stack is chosen. */
export const stack = computed(() => {
  const { stack: depth, kernels, between } = setting.value;
  return depth ? runStack(kernels[0], depth, between, picture.value) : null;
});

/** Whether anything differs from the preset. */
export const changed = computed(() => {
  const { pixel } = presetOf(setting.value.preset).setting; // looking elsewhere changes nothing
  return writeSetting({ ...setting.value, pixel }).includes("*");
});

/** The output pixel that everything speaks of. */
const focus = computed(() => {
  const { layer, empty, strongest } = result.value;
  if (empty) return null;
  const sliding = reached.value === null ? null : pixelAt(reached.value, layer.output_size);
  return clamp(pointed.value ?? sliding ?? setting.value.pixel ?? strongest, layer.output_size);
});

/** The same place in every map: {pixel, window, pool}; null where there is no output. */
export const playPlace = computed(() => {
  const pixel = focus.value;
  if (!pixel) return null;
  const { layer, pool, switches } = result.value;
  return { pixel, window: windowBox(layer, pixel), pool: pool && poolPlace(pool, switches, pixel) };
});

/** For each channel its patch and products at the pixel, and what they add up to. */
export const playParts = computed(() => {
  const { pixel } = playPlace.value;
  const { layer, partials } = result.value;
  return picture.value.channels.map((channel, index) => {
    const kernel = kernelOf(setting.value.kernels, index).values;
    const { values: patch, outside } = patchAt(layer, channel, pixel);
    const value = partials[index][pixel.y * layer.output_size[1] + pixel.x];
    return { kernel, patch, outside, product: products(layer, patch, kernel, outside), value };
  });
});

/** The ends of the scales that the columns share. */
export const limits = computed(() => {
  const { kernels } = setting.value;
  const { partials, aggregated, activated } = result.value;
  return {
    kernels: Math.max(...kernels.map(({ values }) => limitOf(values))),
    partials: Math.max(...partials.map(limitOf)),
    results: Math.max(limitOf(aggregated), limitOf(activated)),
  };
});

/** The largest product of all channels, apart from the other limits because it follows the pointer. */
export const productsLimit = computed(() => Math.max(...playParts.value.map(({ product }) => limitOf(product))));

/** How many output pixels a full-size map shows while the kernel slides. */
export function shownPart(values) {
  return shownTo(reached.value, values);
}

/** A pooled map while the kernel slides: only windows of which all pixels are there. */
export function shownPooled(values) {
  const { layer, pool } = result.value;
  return pooledTo(reached.value, values, layer, pool);
}

/** Change some of the setting. */
export function change(parts) {
  batch(() => {
    setting.value = { ...setting.value, ...parts };
    complaint.value = "";
    pointed.value = null;
    if (reached.value !== null && reached.value >= count()) reached.value = null;
  });
}

/** How many pixels the output has. */
export function count() {
  const [rows, columns] = result.value.layer.output_size;
  return rows * columns;
}

/** Open a preset as it was made. */
export function choosePreset(id) {
  batch(() => {
    reached.value = null;
    editing.value = 0;
    change({ ...presetOf(id).setting, preset: presetOf(id).id });
  });
}

/** Whose kernel the editor shows: a channel that has one of its own and is there, else the first. */
const openIndex = computed(() => {
  const { kernels, stack: depth } = setting.value;
  return depth ? 0 : Math.min(editing.value, kernels.length - 1, picture.value.channels.length - 1);
});

/** The kernel that the editor shows. */
export const openKernel = computed(() => setting.value.kernels[openIndex.value]);

/** Put another kernel in place of the open one; the others take its size. */
export function setKernel(kernel) {
  const { kernels } = setting.value;
  const fitted = kernels.map((old, index) => (index === openIndex.value ? kernel : resize(old, [kernel.rows, kernel.columns])));
  change({ kernels: fitted });
}

/** Change one number of the open kernel. */
export function setWeight(at, value) {
  const { rows, columns, values } = openKernel.value;
  setKernel({ rows, columns, values: values.with(at, tidy(value)) });
}

/** Another size for all kernels. */
export function setKernelSize(size) {
  change({ kernels: setting.value.kernels.map((kernel) => resize(kernel, size)) });
}

/** One kernel for all channels: the open one. Or one for each, at first alike. */
export function shareKernel(shared) {
  const kernel = openKernel.value;
  change({ kernels: shared ? [kernel] : [kernel, kernel, kernel] });
}

/** Keep an output pixel; null is the strongest. */
export function keepPixel(pixel, size = result.value.layer.output_size) {
  change({ pixel: pixel && clamp(pixel, size) });
}

/** The setting from the address. */
export function openSetting(text) {
  batch(() => {
    reached.value = null;
    change(readSetting(text));
  });
}
