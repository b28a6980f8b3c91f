/** A page without a server: which documents it brings along, which views they open, what is refused. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const VIEW = new URL("../../convitro/view/", import.meta.url);
const LIBRARIES = JSON.parse(readFileSync(new URL("index.html", VIEW), "utf8").match(/importmap">(.*?)<\/script>/s)[1]).imports;
const paths = Object.fromEntries(Object.entries(LIBRARIES).map(([name, path]) => [name, new URL(path.replace("./view/", ""), VIEW).href]));
register(`data:text/javascript,${encodeURIComponent(`const paths = ${JSON.stringify(paths)};
  export const resolve = (name, context, next) => next(paths[name] ?? name, context);`)}`);
globalThis.matchMedia = () => ({ matches: false, addEventListener() {} });

const { EmbeddedSource } = await import(new URL("data/embedded.js", VIEW));
const { keptPlace } = await import(new URL("state/kept.js", VIEW));
const { chooseAggregation, openPlace, settleChoices, stepAggregation } = await import(new URL("state/actions.js", VIEW));
const { shownViews } = await import(new URL("state/views.js", VIEW));
const { answerKept, cardsKept, progress } = await import(new URL("state/aggregations.js", VIEW));
const { chosenMethod, method, methods, projectionKept } = await import(new URL("state/sees.js", VIEW));
const { goesOn, training } = await import(new URL("state/training.js", VIEW));
const { shortcutGroups } = await import(new URL("state/keys.js", VIEW));
const store = await import(new URL("state/store.js", VIEW));

/** A document as `document.py` writes it; its arrays (float32) lie one after the other. */
function bytes({ arrays = {}, ...manifest }) {
  const table = {};
  const chunks = [];
  let offset = 0;
  for (const [name, { values, shape }] of Object.entries(arrays)) {
    table[name] = { dtype: "float32", shape, offset };
    chunks.push(Buffer.from(Float32Array.from(values).buffer), Buffer.alloc((8 - ((4 * values.length) % 8)) % 8));
    offset = chunks.reduce((total, { length }) => total + length, 0);
  }
  const text = Buffer.from(JSON.stringify({ ...manifest, arrays: table }));
  const head = Buffer.concat([text, Buffer.alloc((8 - ((4 + text.length) % 8)) % 8, " ")]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  return Buffer.concat([length, head, ...chunks]);
}

/** A page with these documents inside. */
function pageOf(documents) {
  const scripts = Object.entries(documents).map(([key, manifest]) => ({
    dataset: { document: key },
    textContent: gzipSync(bytes(manifest)).toString("base64"),
  }));
  return { querySelectorAll: () => scripts, querySelector: () => scripts[0] ?? null };
}

const HELD = {
  pictures: { pictures: [{ id: "cat", name: "cat" }, { id: "cup", name: "cup" }] },
  "cancellation\ncat\nconv\n3": { value: 0.5 },
  "combined\ncat\nconv\n3\n": { aggregation: "sum" },
  "combined\ncat\nconv\n3\nmax": { aggregation: "max" },
  "combined\ncup\nconv\n3\n": { aggregation: "sum" },
  "outcome\ncat\nconv\nmax": { change: 0.25 },
  "projection\ncat\nconv\n3\n2,4\nguided": { method: "guided" },
  "projection\ncat\nconv\n3\n\ndeconvnet": { method: "deconvnet" },
  "compared\ncup\nconv\n3\n": { picture: { id: "cup" } },
  health: { findings: [] },
};

const ASKED = {
  cancellation: ["cat", "conv", 3],
  combined: ["cat", "conv", 3, "max"],
  outcome: ["cat", "conv", "max"],
  projection: ["cat", "conv", 3, "2,4", "guided"],
  health: [],
};

const LAYER = { name: "conv", aggregation: "sum", out_channels: 8, output_size: [8, 8] };
const WAYS = ["sum", "max", "min"].map((spec) => ({ name: spec, spec, separate: false }));

function open(documents, { layer = "conv", filter = 3, picture = "cat" } = {}) {
  store.live.value = false;
  store.brought.value = new EmbeddedSource(pageOf(documents)).keys();
  store.network.value = { picture: { id: picture }, layers: [LAYER, { ...LAYER, name: "other" }], aggregations: WAYS, model: "" };
  store.layerName.value = layer;
  store.filterIndex.value = filter;
  store.pinned.value = null;
}

test("what lies in the page is answered from it", async () => {
  const source = new EmbeddedSource(pageOf(HELD));
  assert.equal((await source.cancellation(...ASKED.cancellation)).value, 0.5);
  assert.equal((await source.combined(...ASKED.combined)).aggregation, "max");
  assert.equal((await source.combined("cat", "conv", 3, "")).aggregation, "sum");
  assert.equal((await source.outcome(...ASKED.outcome)).change, 0.25);
  assert.equal((await source.projection(...ASKED.projection)).method, "guided");
  assert.equal((await source.projection("cat", "conv", 3, "", "deconvnet")).method, "deconvnet");
  assert.equal((await source.compared("cup", "conv", 3, "")).picture.id, "cup");
  assert.deepEqual((await source.health()).findings, []);
});

test("a filter under another aggregation is the trained one with the maps of its card", async () => {
  const layer = { name: "conv", out_channels: 1, groups: 1, channels_per_filter: 1, channels_per_page: 4, kernel_size: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0, 0, 0, 0], input_size: [1, 2], output_size: [1, 2], aggregation: "sum" };
  const map = (...values) => ({ values, shape: [1, 2] });
  const stack = (...values) => ({ values, shape: [1, 1, 2] });
  const source = new EmbeddedSource(pageOf({
    pictures: HELD.pictures,
    "network\ncat": { layers: [layer] },
    "layer\ncat\nconv": { filters: [0], biases: [1], arrays: { kernels: { values: [3], shape: [1, 1, 1, 1] }, aggregated: stack(6, 12), output: stack(7, 13), activated: stack(7, 13) } },
    "channels\ncat\nconv": { arrays: { inputs: stack(2, 4) } },
    "combined\ncat\nconv\n0\nmax": { aggregation: "max", limits: { aggregated: 5, output: 6, activated: 6 }, arrays: { aggregated: map(4, 5), output: map(5, 6), activated: map(5, 6) } },
  })); // prettier-ignore
  const found = await source.filter("cat", "conv", 0, 0, "max");
  const values = (name) => [...found.arrays[name].values];
  assert.deepEqual([found.aggregation, found.trained, found.bias], ["max", false, 1]);
  assert.deepEqual([values("partial_maps"), values("aggregated"), values("activated")], [[6, 12], [4, 5], [5, 6]]);
  assert.deepEqual([values("trained_aggregated"), values("trained_activated")], [[6, 12], [7, 13]]);
  assert.deepEqual([found.limits.results, found.limits.trained_results], [6, 13]);
  await assert.rejects(source.filter("cat", "conv", 0, 0, "min"), ({ facts }) => facts.problem.includes("min"));
});

test("what does not lie there is refused, and said how to get it", async () => {
  const source = new EmbeddedSource(pageOf({ pictures: HELD.pictures }));
  const all = { ...ASKED, patches: ["cat", "conv", 3], answer: ["cat"], training: [], epoch: ["cat", "conv", 1, 0], epochFilter: ["cat", "conv", 1, 3], movement: ["cat", "conv"] };
  for (const [name, asked] of Object.entries(all)) {
    await assert.rejects(source[name](...asked), ({ kind, facts }) => kind === "refused" && facts.hint.includes("convitro explore"), name);
  }
});

test("a view is there if the page brings something for it", () => {
  const plain = ["network", "filter", "play", "table", "learn"];
  const shown = () => shownViews().map(({ id }) => id);
  open({ pictures: HELD.pictures });
  assert.deepEqual(shown(), plain);
  open(HELD);
  assert.deepEqual(shown(), ["network", "filter", "aggregation", "sees", "play", "health", "table", "learn"]);
  open({ "patches\nconv\n3": {}, training: {} });
  assert.deepEqual(shown(), ["network", "filter", "sees", "play", "training", "table", "learn"]);
  assert.ok(shortcutGroups().some(({ shortcuts }) => shortcuts.some(({ words }) => words === "next, previous epoch")));
  store.live.value = true;
  assert.equal(shown().length, 9);
});

test("of the filters that are open only those of the page have cards, answers and projections", () => {
  open(HELD);
  assert.ok(cardsKept.value);
  assert.deepEqual(WAYS.map(({ spec }) => answerKept(spec)), [false, true, false]);
  assert.equal(progress.value.total, 4); // three maps and the one answer
  assert.deepEqual(methods.value.map(({ key }) => key), ["deconvnet"]);
  store.pinned.value = { y: 2, x: 4 };
  method.value = "gradient"; // chosen for another pixel
  assert.equal(chosenMethod.value, "guided");
  store.pinned.value = { y: 0, x: 0 };
  assert.equal(projectionKept.value, false);
  store.filterIndex.value = 4;
  assert.equal(cardsKept.value, false);
  store.live.value = true;
  assert.ok(cardsKept.value && projectionKept.value && store.isKept("anything"));
  assert.equal(chosenMethod.value, "gradient");
});

test("the open filter is combined in the ways that are here", () => {
  const acts = (words) => shortcutGroups().some(({ shortcuts }) => shortcuts.some((each) => each.words === words));
  open(HELD);
  chooseAggregation("max");
  assert.equal(store.aggregationWord.value.spec, "max");
  settleChoices();
  assert.equal(store.aggregation.value, "max");
  assert.ok(acts("next, previous aggregation"));
  stepAggregation(1); // there is no min: around to the trained one
  assert.equal(store.aggregation.value, "");
  chooseAggregation("min");
  assert.equal(store.aggregationWord.value.spec, "sum");
  chooseAggregation("max");
  store.filterIndex.value = 4; // of which no card is here
  assert.equal(store.aggregationWord.value.spec, "sum");
  assert.ok(!acts("next, previous aggregation"));
  store.filterIndex.value = 3;
  assert.equal(store.aggregationWord.value.spec, "max");
  chooseAggregation("");
});

test("the way to what is here", () => {
  open(HELD, { layer: "other", filter: 0, picture: "cup" });
  assert.deepEqual(keptPlace("combined"), { picture: "cup", layer: "conv", filter: "3" });
  const place = keptPlace("projection");
  assert.deepEqual(place, { picture: "cat", layer: "conv", filter: "3", pixel: "2,4" });
  openPlace(place);
  assert.deepEqual([store.pictureId.value, store.layerName.value, store.filterIndex.value], ["cat", "conv", 3]);
  assert.deepEqual(store.pinned.value, { y: 2, x: 4 });
  openPlace({ ...place, pixel: "" });
  assert.equal(store.pinned.value, null);
  assert.equal(keptPlace("patches"), null);
});

test("a training that was saved while it ran does not go on", () => {
  training.value = { state: "running", epochs: [0, 3], history: [], followed: true };
  open({ training: {} });
  assert.equal(goesOn.value, false);
  store.live.value = true;
  assert.equal(goesOn.value, true);
});
