/** The numbers that are saved of the views that compute them in the browser, or put them together. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { test } from "node:test";

const VIEW = new URL("../../convitro/view/", import.meta.url);
const LIBRARIES = JSON.parse(readFileSync(new URL("index.html", VIEW), "utf8").match(/importmap">(.*?)<\/script>/s)[1]).imports;
const paths = Object.fromEntries(Object.entries(LIBRARIES).map(([name, path]) => [name, new URL(path.replace("./view/", ""), VIEW).href]));
register(`data:text/javascript,${encodeURIComponent(`const paths = ${JSON.stringify(paths)};
  export const resolve = (name, context, next) => next(paths[name] ?? name, context);`)}`);
globalThis.matchMedia = () => ({ matches: false, addEventListener() {} });

const { fileName, hasNumbers, numbersOfView } = await import(new URL("state/saving.js", VIEW));
const { openSetting } = await import(new URL("state/play.js", VIEW));
const training = await import(new URL("state/training.js", VIEW));
const store = await import(new URL("state/store.js", VIEW));

const PICTURE = { values: Uint8Array.from({ length: 75 }, (_, at) => at * 3), shape: [5, 5, 3] };
const LAYER = { name: "conv1", aggregation: "sum", out_channels: 2, output_size: [5, 5] };

function open(view) {
  store.network.value = { name: "small", picture: { id: "cat", name: "cat" }, layers: [LAYER], aggregations: [], arrays: { picture: PICTURE } };
  store.layerName.value = "conv1";
  store.filterIndex.value = 1;
  store.view.value = view;
}

/** The numbers as whoever opens the file reads them. */
function saved() {
  assert.ok(hasNumbers());
  return JSON.parse(numbersOfView());
}

const rounded = (map) => map.flat(Infinity).map((value) => Math.round(value * 1e5) / 1e5);

test("of a filter made by hand: its setting, kernels, channels and every map", () => {
  open("play");
  openSetting("edges*g0*w1x1_2*b-1*arelu*m2");
  const found = saved();
  assert.equal(fileName("json"), "small-play.json");
  assert.deepEqual([found.network, found.view, found.setting.activation, found.setting.bias], ["small", "play", "relu", -1]);
  assert.deepEqual(found.kernels, [[[2]]]);
  assert.deepEqual(Object.keys(found.channels), ["red", "green", "blue"]);
  const pixel = (channel, at) => PICTURE.values[at * 3 + channel] / 255;
  const sums = Array.from({ length: 25 }, (_, at) => 2 * (pixel(0, at) + pixel(1, at) + pixel(2, at)));
  assert.deepEqual(rounded(found.partial_maps.green), rounded(Array.from({ length: 25 }, (_, at) => 2 * pixel(1, at))));
  assert.deepEqual(rounded(found.aggregated), rounded(sums));
  assert.deepEqual(rounded(found.output), rounded(sums.map((value) => value - 1)));
  assert.deepEqual(rounded(found.activated), rounded(sums.map((value) => Math.max(value - 1, 0))));
  assert.deepEqual([found.pooled.length, found.pooled[0].length], [2, 2]);
  assert.deepEqual(found.switches, [[3, 3], [3, 3]]); // brighter to the right and below
  assert.equal(found.pooled[0][0], found.activated[1][1]);
});

test("of a stack: every map of the small kernels, the large kernel and its map", () => {
  open("play");
  openSetting("edges*w1x2_1_1*n2");
  const found = saved();
  assert.deepEqual(found.large.kernel, [[1, 2, 1]]);
  assert.deepEqual(found.maps.map((map) => [map.length, map[0].length]), [[5, 4], [5, 3]]);
  assert.deepEqual(rounded(found.maps[1]), rounded(found.large.map));
  assert.equal(found.aggregated, undefined); // that is another filter, which the view does not show
});

test("a kernel that finds no place to stand says so", () => {
  open("play");
  openSetting(`edges*w9x9_${new Array(81).fill(1).join("_")}`);
  const found = saved();
  assert.ok(found.output_size.includes(0));
  assert.equal(found.aggregated, undefined);
});

test("of a training: the curves, the filter at both epochs, and what was added", () => {
  open("training");
  training.training.value = null;
  assert.equal(hasNumbers(), false);
  training.training.value = { followed: false, epochs: [] };
  assert.equal(hasNumbers(), false);
  training.training.value = { followed: true, epochs: [0, 1], history: [{ epoch: 1, loss: 0.5 }], state: "finished" };
  const kernels = (...values) => ({ values: Float32Array.from(values), shape: [1, 1, 2] });
  const filter = (epoch, ...values) => ({ layer: "conv1", filter: 1, epoch, bias: 0.1, arrays: { kernels: kernels(...values) } });
  const shown = { now: { epoch: 1, arrays: {} }, start: { epoch: 0, arrays: {} }, filter: filter(1, 0.75, -2), filterStart: filter(0, 0.5, 1) };
  training.shown.value = shown;
  const found = saved();
  assert.equal(fileName("json"), "small-training-conv1-filter-1.json");
  assert.deepEqual([found.layer, found.filter, found.training.history[0].loss], ["conv1", 1, 0.5]);
  assert.deepEqual(found.added, [[[0.25, -3]]]);
  assert.deepEqual(found.filter_then.arrays.kernels, [[[0.75, -2]]]);
  store.filterIndex.value = 0; // the documents of this one are still on their way
  assert.equal(saved().added, undefined);
  store.filterIndex.value = 1;
});

test("the tours have no numbers of their own", () => {
  open("learn");
  assert.equal(hasNumbers(), false);
});
