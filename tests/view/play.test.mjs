/** The arithmetic of the view "Play", without a browser: by hand, on numbers that can be checked by eye. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { closeUp, cut } from "../../convitro/view/numbers/closeup.js";
import { activate, aggregate, maxPool, poolGeometry, SIMPLE_AGGREGATIONS } from "../../convitro/view/numbers/combine.js";
import { costOf, outputExtent, outputFormula, paddingOf, receptiveField, unreadExtent } from "../../convitro/view/numbers/geometry.js";
import { kernelOf, runFilter, runStack } from "../../convitro/view/numbers/handmade.js";
import {
  compose, flip, normalise, parseMatrix, parseNumber, randomise, resize, stepOf, tidy, transpose, zero,
} from "../../convitro/view/numbers/kernels.js"; // prettier-ignore
import { RESIZABLE, sample, SAMPLES, smaller } from "../../convitro/view/numbers/samples.js";
import { readSetting, writeSetting } from "../../convitro/view/state/playaddress.js";
import { PRESETS, presetOf } from "../../convitro/view/state/presets.js";

const PICTURE = { values: Uint8Array.from({ length: 75 }, (_, at) => at * 3), shape: [5, 5, 3] };
const preset = (id) => presetOf(id).setting;
const on = (setting) => sample(setting.from, setting.grey, PICTURE);
const kernel = (rows, columns, values) => ({ rows, columns, values });

test("numbers are read as people write them", () => {
  const good = { 2: 2, "-0.5": -0.5, "−0,5": -0.5, "1/9": 1 / 9, ".25": 0.25, " 1e-3 ": 0.001, "-2 / 4": -0.5, "+3": 3 };
  for (const [text, value] of Object.entries(good)) assert.equal(parseNumber(text), value, text);
  for (const text of ["", "abc", "NaN", "Infinity", "1/0", "0/0", "1e99", "--1", "1 2", "1/2/3", "-", "."])
    assert.equal(parseNumber(text), null, text);
});

test("matrices are read from wherever they are copied", () => {
  const expected = kernel(2, 3, [1, 2, 3, -4, 5.5, 6]);
  const texts = ["1 2 3\n-4 5.5 6", "1\t2\t3\r\n-4\t5.5\t6\r\n", "[[1, 2, 3], [-4, 5.5, 6]]", "1,2,3;-4,5.5,6", "[[ 1.   2.   3. ]\n [-4.   5.5  6. ]]"];
  for (const text of texts) assert.deepEqual(parseMatrix(text), { kernel: expected }, text);
  assert.deepEqual(parseMatrix("tensor([[0.5, −1], [1/4, 2e-1]])").kernel.values, [0.5, -1, 0.25, 0.2]);
  assert.deepEqual(parseMatrix("1 0 -1 2 0 -2 1 0 -1").kernel.rows, 3); // nine numbers are a square
  assert.equal(parseMatrix("7"), null);
  assert.equal(parseMatrix("hello"), null);
  assert.match(parseMatrix("1 2\n3").problem, /2 and 1 numbers/);
  assert.match(parseMatrix(new Array(13).fill("1 1").join("\n")).problem, /13 × 2 is too large/);
  assert.match(parseMatrix("1 9e9").problem, /too large for a kernel/);
});

test("kernels are turned and scaled", () => {
  const one = kernel(2, 3, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(flip(one).values, [6, 5, 4, 3, 2, 1]);
  assert.deepEqual(transpose(one), kernel(3, 2, [1, 4, 2, 5, 3, 6]));
  assert.deepEqual(transpose(transpose(one)), one);
  assert.deepEqual(normalise(kernel(1, 3, [1, 2, 1])).values, [0.25, 0.5, 0.25]);
  assert.deepEqual(normalise(kernel(1, 2, [-1, 1])).values, [-0.5, 0.5]); // no sum to divide by: the magnitudes'
  assert.deepEqual(normalise(zero(one)).values, [0, 0, 0, 0, 0, 0]);
  assert.deepEqual(randomise(one, () => 0).values, new Array(6).fill(-1));
  assert.deepEqual(resize(kernel(1, 1, [7]), [3, 3]).values, [0, 0, 0, 0, 7, 0, 0, 0, 0]);
  assert.deepEqual(resize(kernel(3, 3, [1, 2, 3, 4, 5, 6, 7, 8, 9]), [1, 3]).values, [4, 5, 6]);
  assert.equal(stepOf([1, -2, 0]), 1);
  assert.equal(stepOf([1, 0.5]), 0.1);
  assert.equal(tidy(0.1 + 0.2), 0.3);
  assert.ok(Object.is(tidy(-0), 0));
});

test("two kernels one after the other are one", () => {
  assert.deepEqual(compose(kernel(1, 2, [1, 1]), kernel(1, 2, [1, 1])), kernel(1, 3, [1, 2, 1]));
  assert.deepEqual(compose(kernel(1, 3, [1, 2, 1]), kernel(3, 1, [1, 0, -1])).values, [1, 2, 1, 0, 0, 0, -1, -2, -1]);
});

test("sizes follow the formula", () => {
  const layer = { input_size: [7, 8], kernel_size: [3, 2], stride: [2, 2], dilation: [1, 3] };
  layer.padding = paddingOf("valid", layer);
  assert.deepEqual([0, 1].map((axis) => outputExtent(layer, axis)), [3, 3]);
  assert.equal(outputFormula(layer, 0), "⌊(7 + 0 + 0 − 1 · (3 − 1) − 1) / 2⌋ + 1 = 3");
  assert.deepEqual(paddingOf("same", layer), [1, 1, 1, 1]);
  assert.deepEqual(paddingOf("same", { ...layer, stride: [1, 1], kernel_size: [2, 4], dilation: [1, 1] }), [0, 1, 1, 2]);
  assert.deepEqual(paddingOf(5, layer), [5, 5, 5, 5]);
  const large = { ...layer, input_size: [3, 3], kernel_size: [9, 9], dilation: [1, 1], padding: [0, 0, 0, 0] };
  assert.equal(outputExtent(large, 0), 0);
  assert.equal(outputFormula(large, 0), "⌊(3 + 0 + 0 − 1 · (9 − 1) − 1) / 2⌋ + 1 = −2");
  assert.deepEqual([0, 1].map((axis) => unreadExtent(layer, axis)), [0, 0]);
  assert.deepEqual([0, 1].map((axis) => unreadExtent({ ...layer, stride: [3, 5] }, axis)), [1, 4]);
  assert.equal(unreadExtent({ ...layer, stride: [3, 3], padding: [1, 1, 1, 1] }, 0), 0); // 7 + 2: nothing is left
  assert.equal(unreadExtent({ ...layer, stride: [4, 4], padding: [0, 3, 0, 0] }, 0), 0); // what is left is padding
  assert.equal(unreadExtent(large, 0), 0);
});

test("costs and receptive fields are those of the textbooks", () => {
  assert.deepEqual(costOf({ channels: 3, filters: 64, kernel_size: [3, 3], output_size: [224, 224] }), { parameters: 1792, macs: 86704128 }); // VGG's first layer
  assert.equal(receptiveField([{ kernel: 3 }, { kernel: 3 }]).size, 5);
  assert.equal(receptiveField([{ kernel: 3 }, { kernel: 3 }, { kernel: 3 }]).formula, "1 + (3 − 1) + (3 − 1) + (3 − 1)");
  assert.deepEqual(receptiveField([{ kernel: 3, stride: 2 }, { kernel: 2, stride: 2 }]), { size: 5, jump: 4, formula: "1 + (3 − 1) + (2 − 1) · 2" });
  assert.equal(receptiveField([{ kernel: 3, dilation: 3 }]).size, 7);
});

test("maps become one", () => {
  const maps = [[1, -5], [2, 3], [-3, 4]].map((map) => Float32Array.from(map)); // prettier-ignore
  const expected = { sum: [0, 2], mean: [0, 2 / 3], max: [2, 4], min: [-3, -5], maxabs: [-3, -5] };
  assert.deepEqual(Object.keys(expected), SIMPLE_AGGREGATIONS);
  for (const [name, values] of Object.entries(expected)) assert.deepEqual(aggregate(maps, name), Float32Array.from(values), name);
  assert.deepEqual([...activate(Float32Array.of(-2, 1), 1, "relu")], [0, 2]);
  assert.deepEqual([...activate(Float32Array.of(-2, 1), 1, "none")], [-1, 2]);
});

test("pooling keeps the largest, the first of equals", () => {
  const map = Float32Array.from([1, 2, 0, 2, 2, 0, 9, 9, 9]); // 3 × 3: the last row and column are left over
  const { values, switches } = maxPool(poolGeometry(2, [3, 3]), map, 3);
  assert.deepEqual([...values], [2]);
  assert.deepEqual([...switches], [1]);
});

test("1, 100 and 10000 become 40404", () => {
  const { partials, activated, layer } = runFilter(preset("hundreds"), on(preset("hundreds")));
  assert.deepEqual(layer.output_size, [2, 2]);
  assert.deepEqual(partials.map(([first]) => first), [4, 400, 40000]);
  assert.deepEqual([...activated], [40404, 40404, 40404, 40404]);
});

test("an even kernel moves a dot half a pixel up and left", () => {
  const { activated } = runFilter(preset("shift"), on(preset("shift")));
  const lit = [...activated.keys()].filter((at) => activated[at] !== 0).map((at) => [Math.floor(at / 9), at % 9]);
  assert.deepEqual(lit, [[3, 3], [3, 4], [4, 3], [4, 4]]); // prettier-ignore
});

test("every preset does what its sentence says", () => {
  const flat = { values: new Uint8Array(300).fill(128), shape: [10, 10, 3] };
  const middle = (id) => {
    const { activated, layer } = runFilter(preset(id), sample("picture", preset(id).grey, flat));
    return activated[Math.floor(layer.output_size[0] / 2) * layer.output_size[1] + Math.floor(layer.output_size[1] / 2)];
  };
  for (const id of ["edges", "outlines", "wide", "red"]) assert.ok(Math.abs(middle(id)) < 1e-6, id);
  for (const id of ["blur", "sharpen", "same"]) assert.ok(Math.abs(middle(id) - 128 / 255) < 1e-6, id);
  const half = runFilter(preset("half"), sample("picture", true, { values: new Uint8Array(80 * 80), shape: [80, 80, 1] }));
  assert.deepEqual(half.pool.output_size, [19, 19]);
  assert.equal(new Set(PRESETS.map(({ id }) => id)).size, PRESETS.length);
});

test("a kernel that finds no place gives no map", () => {
  const setting = { ...preset("edges"), from: "hundreds", dilation: 8 };
  assert.ok(runFilter(setting, on(setting)).empty);
  const stack = { ...preset("three"), from: "hundreds" };
  assert.ok(runStack(stack.kernels[0], 3, false, on(stack)).empty);
  const pooled = { ...preset("hundreds"), pool: 3 };
  assert.deepEqual(runFilter(pooled, on(pooled)).pool.output_size, [0, 0]);
});

test("layers with nothing in between are one layer", () => {
  const random = kernel(3, 3, [0.3, -1, 0.5, 0.2, 0.7, -0.6, 1, -0.1, 0.4]);
  const plain = runStack(random, 2, false, sample("picture", true, PICTURE));
  assert.deepEqual([plain.large.rows, plain.large.columns], [5, 5]);
  assert.ok(Math.abs(plain.steps[1].map[0] - plain.whole.map[0]) < 1e-6);
  const clipped = runStack(kernel(3, 3, [0, 0, 0, 0, -1, 0, 0, 0, 0]), 2, true, sample("picture", true, PICTURE));
  assert.equal(clipped.steps[1].map[0], 0);
  assert.notEqual(clipped.whole.map[0], 0);
});

test("samples are what they are called", () => {
  for (const name of SAMPLES) {
    for (const grey of [true, false]) {
      const { size, channels, names, bytes } = sample(name, grey, PICTURE);
      assert.equal(channels.length, grey ? 1 : 3, name);
      assert.equal(names.length, channels.length);
      for (const channel of channels) assert.equal(channel.length, size[0] * size[1]);
      assert.deepEqual(bytes.shape.slice(0, 2), [...size]);
    }
  }
  const mean = sample("picture", true, PICTURE).channels[0];
  assert.ok(Math.abs(mean[1] - (9 + 12 + 15) / 3 / 255) < 1e-7);
  assert.equal(sample("dot", true, PICTURE).channels[0].indexOf(1), 4 * 9 + 4);
  assert.equal(sample("dot", true, PICTURE, 5).channels[0].indexOf(1), 2 * 5 + 2);
  assert.deepEqual([...sample("edge", true, PICTURE, 2).channels[0]].map((value) => value > 0.5), [false, true, false, true]);
  for (const name of RESIZABLE) for (const side of [1, 2, 32]) assert.deepEqual(sample(name, false, PICTURE, side).size, [side, side]);
  assert.ok(sample("ramp", true, PICTURE, 1).channels[0].every(Number.isFinite));
  assert.equal(sample("picture", false, { values: new Uint8Array(4), shape: [2, 2, 1] }).channels.length, 1);
  const small = smaller(sample("picture", true, { values: Uint8Array.from([0, 255, 255, 255]), shape: [2, 2, 1] }), 1);
  assert.deepEqual([small.size, ...small.channels[0]], [[1, 1], 0.75]);
});

test("a close-up stays inside its map", () => {
  assert.deepEqual(closeUp({ top: 0, left: 50, height: 5, width: 5 }, [100, 100], 15), { top: 0, left: 45, height: 15, width: 15 });
  assert.deepEqual(closeUp({ top: 96, left: 0, height: 3, width: 3 }, [100, 7], 15), { top: 85, left: 0, height: 15, width: 7 });
  const part = { top: 1, left: 1, height: 2, width: 2 };
  assert.deepEqual([...cut(Float32Array.from({ length: 9 }, (_, at) => at), 3, part)], [4, 5, 7, 8]);
  assert.deepEqual([...cut(Uint8Array.from({ length: 18 }, (_, at) => at), 3, part, 2)], [8, 9, 10, 11, 14, 15, 16, 17]);
});

test("an address holds a whole setting", () => {
  for (const { id, setting } of PRESETS) {
    assert.equal(writeSetting({ ...setting, preset: id }), id);
    assert.deepEqual(readSetting(id), { ...setting, preset: id });
  }
  const all = {
    ...preset("edges"), preset: "red", from: "ramp", side: 6, grey: true, kernels: [0.5, -1e-7, 123456].map((value) => kernel(1, 2, [value, -1])), stride: 2,
    padding: 3, dilation: 4, aggregation: "maxabs", bias: -0.25, activation: "relu", pool: 3, stack: 2, between: true,
    width: 7, look: "grey", pixel: { y: 12, x: 3 },
  }; // prettier-ignore
  const text = writeSetting(all);
  assert.deepEqual(readSetting(text), all);
  assert.equal(new URLSearchParams({ play: text }).toString(), `play=${text}`); // nothing needs escaping
  assert.deepEqual(readSetting(writeSetting({ ...all, padding: "same", pixel: null })).pixel, null);
});

test("an address that makes no sense opens the preset", () => {
  const edges = readSetting("edges");
  for (const text of [null, "", "nothing*s2x", "edges*s0*s99*d-1*pother*oSUM*b1e99*bNaN*aNone*m9*g7*n5*c0*lred*x1_*ihome*z0*z33"])
    assert.deepEqual(readSetting(text), edges, text);
  for (const weights of ["3x3_1_2", "0x0", "99x1_1", "1x1_x", "1x1_NaN", "1x1_1__1x2_1_2", "1x1_1__1x1_2", "1x1_1.2.3", ""])
    assert.deepEqual(readSetting(`edges*w${weights}`), edges, weights);
});

test("a kernel for all channels is every channel's", () => {
  assert.equal(kernelOf(["one"], 2), "one");
  assert.equal(kernelOf(["a", "b", "c"], 1), "b");
});
