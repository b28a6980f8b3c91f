/** The tours: every step names what exists, speaks shortly, and finds words for networks of every kind. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { register } from "node:module";
import { test } from "node:test";

const VIEW = new URL("../../convitro/view/", import.meta.url);
const LIBRARIES = JSON.parse(readFileSync(new URL("index.html", VIEW), "utf8").match(/importmap">(.*?)<\/script>/s)[1]).imports;
const paths = Object.fromEntries(Object.entries(LIBRARIES).map(([name, path]) => [name, new URL(path.replace("./view/", ""), VIEW).href]));
register(`data:text/javascript,${encodeURIComponent(`const paths = ${JSON.stringify(paths)};
  export const resolve = (name, context, next) => next(paths[name] ?? name, context);`)}`);
globalThis.matchMedia = () => ({ matches: false, addEventListener() {} });

const { TOURS } = await import(new URL("state/tours/all.js", VIEW));
const { VIEWS, chooseView } = await import(new URL("state/views.js", VIEW));
const { SHORTCUTS, shortcutGroups } = await import(new URL("state/keys.js", VIEW));
const { PRESETS } = await import(new URL("state/presets.js", VIEW));
const { readSetting, writeSetting } = await import(new URL("state/playaddress.js", VIEW));
const tour = await import(new URL("state/tour.js", VIEW));
const store = await import(new URL("state/store.js", VIEW));
const { WORDS } = await import(new URL("words.js", VIEW));

const MOST_WORDS = 60;
const steps = TOURS.flatMap(({ id, steps: all }) => all.map((step, at) => ({ ...step, key: `${id}.${at + 1}` })));

/** A layer as the documents describe it. */
function layer(name, facts = {}) {
  return {
    separate: false, name, in_channels: 3, out_channels: 32, channels_per_filter: 3, channels_per_page: 64, groups: 1, kernel_size: [3, 3], stride: [1, 1],
    dilation: [1, 1], padding: [1, 1, 1, 1], input_size: [8, 8], output_size: [8, 8], raw_input: false, aggregation: "sum", parameters: 896,
    has_bias: true, pool: null, stages: [{ kind: "activation", words: "relu" }], ...facts,
  }; // prettier-ignore
}

const POOL = { mode: "max", kernel_size: [2, 2], output_size: [4, 4] };
const PICTURE = { raw_input: true };
const APART = { aggregation: "none", separate: true };

/** Networks of every kind that a tour may meet, by their layers. */
const NETWORKS = {
  ordinary: [layer("conv1", PICTURE), layer("conv2", { in_channels: 32, channels_per_filter: 32, pool: POOL })],
  "one channel": [layer("conv1", { ...PICTURE, in_channels: 1, channels_per_filter: 1 }), layer("conv2", { in_channels: 32, channels_per_filter: 32 })],
  "one layer of one channel": [layer("only", { ...PICTURE, in_channels: 1, channels_per_filter: 1, has_bias: false })],
  "one layer": [layer("only", { ...PICTURE, stages: [], pool: { ...POOL, mode: "average" } })],
  grouped: [layer("a", PICTURE), layer("b", { in_channels: 32, groups: 32, channels_per_filter: 1 })],
  "many channels": [layer("a", PICTURE), layer("b.long.name", { in_channels: 512, channels_per_filter: 512, out_channels: 2048 })],
  "nothing but apart": [layer("a", { ...PICTURE, ...APART })],
  "kept apart": [layer("a", { ...PICTURE, ...APART, aggregation: "mine" }), layer("b", { in_channels: 96, channels_per_filter: 96, aggregation: "logsumexp(beta=5.0)" })],
};

/** Facts as the page would give them for a step on a network, with numbers of unusual length. */
function factsOf(layers, step, live = true) {
  const base = { live, name: "small_vgg", layers, filter: 12, ready: true };
  const chosen = layers.find(({ name }) => name === step.state?.({ ...base, layer: layers[0] }).layer) ?? layers[0];
  const count = Math.min(chosen.channels_per_filter, chosen.channels_per_page);
  const names = Array.from({ length: count }, (_, at) => (chosen.raw_input ? (count === 3 ? ["red", "green", "blue"][at] : "grey") : String(at)));
  const values = names.map((_, at) => 0.12345 * (-1) ** at);
  const { separate } = chosen;
  const number = separate ? undefined : -0.98765;
  return {
    ...base,
    layer: chosen,
    here: {
      pixel: { y: 3, x: 4 }, values, names, sum: 0.12345, brought: 1.2345, kept: 0.12345, lost: 0.9,
      pair: count > 1 ? { up: names[0], plus: 0.12345, down: names[1], minus: -0.12345 } : null, whole: count === chosen.channels_per_filter,
      aggregation: chosen.aggregation, separate, bias: chosen.has_bias ? 0.54321 : null, aggregated: number, output: number, activated: number,
    },
    maps: names.map((name) => ({ name, values: Float32Array.from({ length: 64 }, (_, at) => at) })),
    cancelled: { value: 0.33, baseline: 0.4 },
    patches: { patches: [{ value: 5.6 }], seen: 300 },
    health: { images: 300, findings: [{ kind: "dead" }, { kind: "redundant" }] },
    play: { channels: 3, aggregation: "sum", parameters: 13, values: [4, 400, 40000], result: 40404, stack: { width: 64, small: 73856, large: 102464, differs: 5.23 } },
  }; // prettier-ignore
}

const count = (text) => text.replace(/\*\*|`/g, "").split(/\s+/).filter(Boolean).length;

test("there are five tours, each with an address and a question", () => {
  assert.deepEqual(TOURS.map(({ id }) => id), ["why-sum", "conv2d", "maps", "network", "kernels"]);
  for (const { title, question, seen, steps: all } of TOURS) {
    assert.ok(title.length < 30 && question.includes("?") && seen.endsWith("."), title);
    assert.ok(all.length >= 5 && all.length <= 10, title);
  }
});

test("every step names a view, a preset and keys that exist", () => {
  const known = new Set([...VIEWS.map(({ id }) => id), ...tour.SOMETIMES]);
  const presets = new Set(PRESETS.map(({ id }) => id));
  for (const { key, view, title, at, without, state, words } of steps) {
    assert.ok(known.has(view), `${key}: ${view}`);
    assert.ok(title && at, key);
    const needsServer = tour.SOMETIMES.includes(view) || Boolean(VIEWS.find(({ id }) => id === view).needsServer);
    assert.equal(Boolean(without), needsServer, `${key}: what is said without a server`);
    const { play } = state?.(factsOf(NETWORKS.ordinary, { state })) ?? {};
    if (play) {
      assert.ok(presets.has(play.split("*")[0]), `${key}: ${play}`);
      assert.equal(writeSetting(readSetting(play)), play, `${key}: the setting is read as it is written`);
      assert.equal(view, "play", key);
    }
    const letters = [...String(words(factsOf(NETWORKS.ordinary, { state }))).matchAll(/\(or (\w)\)/g)].map(([, letter]) => letter);
    for (const letter of letters) assert.ok(SHORTCUTS.some(({ keys, views }) => keys.includes(letter) && views?.includes(view)), `${key}: key ${letter}`);
  }
});

test("every step speaks shortly and of numbers that are there, whatever the network", () => {
  for (const [name, layers] of Object.entries(NETWORKS)) {
    for (const live of [true, false]) {
      for (const step of steps) {
        const words = step.words(factsOf(layers, step, live));
        const where = `${step.key} on ${name}: ${words}`;
        assert.ok(typeof words === "string" && words.length > 20, where);
        assert.ok(count(words) <= MOST_WORDS, `${where} (${count(words)} words)`);
        assert.doesNotMatch(words, /undefined|NaN|null|\[object|\s\s|\b1 (channels|maps|filters|kernels|steps|weights)\b/, where);
        assert.equal(words.split("**").length % 2, 1, where);
        assert.match(words, /[.!?]$/, where);
      }
    }
  }
  for (const { key, without } of steps.filter((step) => step.without)) assert.ok(count(without()) <= MOST_WORDS, key);
});

test("a step waits for numbers that are not there yet", () => {
  for (const step of steps) {
    const facts = { ...factsOf(NETWORKS.ordinary, step), ready: false, cancelled: null, patches: null, health: null };
    for (const name of ["here", "maps"]) Object.defineProperty(facts, name, { get: () => assert.fail(`${step.key} reads ${name} too early`) });
    const words = step.words(facts);
    assert.ok(words === null || words.length > 20, step.key);
  }
});

test("what is found is said, and what is not found, too", () => {
  const said = (key, changes) => {
    const step = steps.find((each) => each.key === key);
    return step.words({ ...factsOf(NETWORKS.ordinary, step), ...changes });
  };
  assert.match(said("network.7", { health: { images: 300, findings: [] } }), /nothing was found/);
  assert.match(said("network.7", { health: { images: 300, findings: [{ kind: "dead" }] } }), /1 thing\*\* is worth a look: dead/);
  assert.match(said("network.6", { patches: { patches: [], seen: 300 } }), /may be dead/);
  assert.match(said("kernels.8", { play: { channels: 1 } }), /grey/);
  assert.match(said("why-sum.5", { cancelled: { value: 0.5, baseline: null } }), /loses \*\*50/);
});

test("the address keeps a step, and what makes no sense opens no tour", () => {
  tour.readPlace("why-sum.3", true);
  assert.deepEqual(tour.openPlace.value, { tour: "why-sum", number: 3 });
  assert.equal(tour.writePlace(), "why-sum.3");
  tour.readPlace("why-sum.99", true);
  assert.equal(tour.writePlace(), "why-sum.8");
  tour.readPlace("kernels", true);
  assert.equal(tour.writePlace(), "kernels.1");
  for (const text of [null, "", "nothing.1", "why-sum.x", "why-sum.3.4", "<b>.1"]) {
    tour.readPlace(text, true);
    assert.equal(tour.writePlace(), null, String(text));
  }
});

test("next, back, and the end", () => {
  tour.startTour("conv2d");
  tour.turnStep(-1);
  assert.equal(tour.writePlace(), "conv2d.1");
  for (let step = 1; step < 7; step += 1) tour.turnStep(1);
  assert.equal(tour.writePlace(), "conv2d.7");
  tour.turnStep(1);
  assert.equal(tour.openPlace.value, null);
  assert.equal(store.view.value, "learn");
});

test("the list of keys names each shortcut once, those of the open view first", () => {
  chooseView("play");
  const groups = shortcutGroups();
  assert.equal(groups[0].title, "Play");
  assert.ok(groups[0].shortcuts.every(({ views }) => views.includes("play")));
  assert.deepEqual(groups.filter(({ here }) => here).length, 1);
  assert.deepEqual(groups.flatMap(({ shortcuts }) => shortcuts).length, SHORTCUTS.length);
  for (const { views = [] } of SHORTCUTS) for (const id of views) assert.ok(VIEWS.some((each) => each.id === id), id);
  const places = new Map();
  for (const { keys, views, tour: during } of SHORTCUTS)
    for (const key of keys) for (const id of views ?? VIEWS.map((each) => each.id)) {
      const place = `${key} ${id} ${Boolean(during)}`;
      assert.ok(!places.has(place), place);
      places.set(place, true);
    }
});

test("tours use the words of the glossary", () => {
  const spoken = steps.map((step) => step.words(factsOf(NETWORKS.ordinary, step))).join(" ");
  for (const word of ["channel", "kernel", "filter", "partial map", "aggregation", "bias", "switches"]) {
    assert.ok(word in WORDS && spoken.includes(word), word);
  }
  assert.doesNotMatch(spoken, /activation map|neuron|depth slice/);
});

test("every tour stands in a file of its own", () => {
  const files = readdirSync(new URL("state/tours/", VIEW)).filter((name) => !["all.js", "speech.js"].includes(name));
  assert.equal(files.length, TOURS.length);
});

test("where maps are kept apart, the tours count all of them", () => {
  for (const key of ["network.1", "maps.1"]) {
    const step = steps.find((each) => each.key === key);
    for (const of of ["nothing but apart", "kept apart"]) {
      const [{ name }] = NETWORKS[of];
      const facts = factsOf(NETWORKS[of], { state: () => ({ layer: name }) });
      assert.match(step.words(facts), /\*\*96\*\*/, `${key} of ${of}`);
    }
  }
});

test("a layer that does not add is not said to add", () => {
  const said = (key) => {
    const step = steps.find((each) => each.key === key);
    return step.words(factsOf(NETWORKS["kept apart"], step));
  };
  assert.match(said("why-sum.2"), /the logsumexp\(beta=5\.0\) of all is \*\*−0\.988\*\*/);
  assert.doesNotMatch(said("why-sum.2"), /together/);
  for (const key of ["why-sum.3", "why-sum.4", "why-sum.5"]) assert.match(said(key), /would/, key);
});
