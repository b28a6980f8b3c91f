/** What can be taken away of the open view: names of files, its numbers, and what is being made. */

import { signal } from "@preact/signals";
import { difference } from "../numbers/arithmetic.js";
import { activate } from "../numbers/combine.js";
import { combined, cancellation, outcomes, subject } from "./aggregations.js";
import * as play from "./play.js";
import { health, patches, projection } from "./sees.js";
import * as store from "./store.js";
import { asJson, table } from "./table.js";
import * as training from "./training.js";
import { VIEWS } from "./views.js";

export const saving = signal(false); // the dialog is open
export const making = signal(""); // the kind of file that is being made, or ""

const OF_A_FILTER = ["filter", "aggregation", "sees", "training"];

/** What a file of the open view is called: network, view, layer, filter. */
export function fileName(suffix) {
  const { network, view, layerName, filterIndex } = store;
  const filter = OF_A_FILTER.includes(view.value) && layerName.value ? [layerName.value, `filter-${filterIndex.value}`] : [];
  return `${safe([network.value.name, view.value, ...filter].join("-"))}.${suffix}`;
}

/** What a file of the whole session is called. */
export function sessionName() {
  const { name, picture } = store.network.value;
  return `${safe(`${name}-${picture.name}`)}.html`;
}

function safe(name) {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+|-+$/g, "").slice(0, 120) || "convitro";
}

/** The open view in words. */
export function viewInWords() {
  const { network, view, layer, filterIndex } = store;
  const { title } = VIEWS.find(({ id }) => id === view.value);
  const filter = OF_A_FILTER.includes(view.value) && layer.value ? `, layer ${layer.value.name}, filter ${filterIndex.value}` : "";
  return `${network.value.name} on ${network.value.picture.name}: ${title}${filter}`;
}

/** View -> what stands behind it by name. Learn has no numbers of its own: its tours open the views that have. */
const BEHIND = {
  network: () => ({ network: store.network.value }),
  filter: () => store.chain.value && { inputs: store.chain.value.inputs, chain: store.chain.value.document },
  aggregation: () => subject.value && { cancellation: cancellation.value, combined: found(combined), outcomes: found(outcomes) },
  sees: () => (projection.value || patches.value) && { projection: projection.value, patches: patches.value },
  play: () => (play.stack.value ? stackPlayed() : filterPlayed()),
  training: () => training.training.value?.followed && { training: training.training.value, ...epochShown() },
  health: () => health.value && { health: health.value },
};

/** What the view Play starts from: all that is set, the kernels, and the picture's channels as they read it. */
function playedOn() {
  const { kernels, ...setting } = play.setting.value;
  const { names, channels, size } = play.picture.value;
  const numbers = kernels.map(({ rows, columns, values }) => nested(values, [rows, columns]));
  return { setting, kernels: numbers, channels: named(names, channels, size) };
}

/** Every map of the filter of the view Play; none where its kernel finds no place to stand. */
function filterPlayed() {
  const { layer, empty, partials, aggregated, activated, pool, pooled, switches } = play.result.value;
  if (empty) return { ...playedOn(), output_size: layer.output_size };
  const { bias } = play.setting.value;
  const map = (values) => ({ values, shape: layer.output_size });
  return {
    ...playedOn(),
    partial_maps: named(play.picture.value.names, partials, layer.output_size),
    aggregated: map(aggregated),
    output: map(activate(aggregated, bias, "none")),
    activated: map(activated),
    ...(pool && { pooled: { values: pooled, shape: pool.output_size }, switches: { values: switches, shape: pool.output_size } }),
  };
}

/** The maps of the small kernels, one after the other, and of the large one. */
function stackPlayed() {
  const { steps = [], large, whole } = play.stack.value;
  const map = ({ map: values, layer }) => ({ values, shape: layer.output_size });
  const kernel = nested(large.values, [large.rows, large.columns]);
  return { ...playedOn(), maps: steps.map(map), large: { kernel, map: whole ? map(whole) : null } };
}

/** Maps by the names of their channels. */
function named(names, maps, shape) {
  return Object.fromEntries(maps.map((values, index) => [names[index] ?? String(index), { values, shape }]));
}

/** The filters of the view Training at the start and at its epoch, what training added to the open one, how far all moved. */
function epochShown() {
  const { shown, movement } = training;
  const { now, start, filter, filterStart } = shown.value ?? {};
  if (filter?.layer !== store.layerName.value || filter.filter !== store.filterIndex.value) return { movement: movement.value };
  const added = difference(filter.arrays.kernels, filterStart.arrays.kernels);
  return { epoch: now, epoch_start: start, filter_then: filter, filter_start: filterStart, added, movement: movement.value };
}

function found(entries) {
  return Object.fromEntries(Object.entries(entries.value).map(([key, { document }]) => [key, document ?? null]));
}

/** Whether there are numbers behind the open view, and they are here. */
export function hasNumbers() {
  return store.view.value === "table" ? table.value !== null : Boolean(BEHIND[store.view.value]?.());
}

/** The numbers of the open view as JSON; where and of what they are stands on top. */
export function numbersOfView() {
  if (store.view.value === "table") return asJson();
  const { network, view, layerName, filterIndex } = store;
  const place = OF_A_FILTER.includes(view.value) ? { layer: layerName.value, filter: filterIndex.value } : {};
  const facts = { network: network.value.name, picture: network.value.picture.name, view: view.value, ...place };
  return JSON.stringify({ ...facts, ...BEHIND[view.value]() }, plain);
}

/** For JSON: an array of a document as nested lists, and of each number the digits that it has. */
function plain(key, value) {
  if (!ArrayBuffer.isView(value?.values)) return value;
  const numbers = value.values instanceof Float32Array ? Array.from(value.values, shortest) : Array.from(value.values);
  return nested(numbers, value.shape);
}

function shortest(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(9)) : null; // nine digits tell all float32 apart
}

function nested(numbers, [size, ...rest]) {
  if (!rest.length) return numbers;
  const step = rest.reduce((product, each) => product * each, 1);
  return Array.from({ length: size }, (_, at) => nested(numbers.slice(at * step, (at + 1) * step), rest));
}
