/** What can be taken away of the open view: names of files, its numbers, and what is being made. */

import { signal } from "@preact/signals";
import { combined, cancellation, outcomes, subject } from "./aggregations.js";
import { health, patches, projection } from "./sees.js";
import * as store from "./store.js";
import { asJson, table } from "./table.js";
import { VIEWS } from "./views.js";

export const saving = signal(false); // the dialog is open
export const making = signal(""); // the kind of file that is being made, or ""

const OF_A_FILTER = ["filter", "aggregation", "sees"];

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

/** View -> the documents behind it by name; none where the page itself computes what is shown. */
const BEHIND = {
  network: () => ({ network: store.network.value }),
  filter: () => store.chain.value && { inputs: store.chain.value.inputs, chain: store.chain.value.document },
  aggregation: () => subject.value && { cancellation: cancellation.value, combined: found(combined), outcomes: found(outcomes) },
  sees: () => projection.value && { projection: projection.value, patches: patches.value },
  health: () => health.value && { health: health.value },
};

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
