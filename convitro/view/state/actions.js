/** What a person can do, each as one function: components call these and nothing else. */

import { batch } from "@preact/signals";
import { clamp } from "../numbers/window.js";
import * as store from "./store.js";

/** Open a layer, on its liveliest filter unless one is named. */
export function chooseLayer(name, filter = liveliest(name)) {
  batch(() => {
    if (name !== store.layerName.value) {
      store.pinned.value = null;
      store.pageStart.value = 0;
    }
    store.hovered.value = null;
    store.layerName.value = name;
    store.filterIndex.value = filter;
  });
}

/** The filter of a layer whose map varies most, as far as its maps are here. */
export function liveliest(name) {
  const network = store.network.value;
  const opening = name === network.layers[0]?.name ? network.opening_filter : 0;
  const { kept } = network.layers.find((each) => each.name === name) ?? {};
  const found = store.layerMaps.value[name]?.liveliest ?? opening;
  return !kept || kept.includes(found) ? found : (kept[0] ?? found);
}

/** Open a filter of the open layer. */
export function chooseFilter(filter) {
  batch(() => {
    store.hovered.value = null;
    store.filterIndex.value = filter;
  });
}

/** Put right what an address may ask for in vain: an unknown layer, filter, page or aggregation. */
export function settleChoices() {
  const network = store.network.value;
  if (!network || network.model !== store.modelId.value) return; // another network is on its way
  const layer = network.layers.find(({ name }) => name === store.layerName.value) ?? network.layers[0];
  if (!layer) return;
  batch(() => {
    store.layerName.value = layer.name;
    const filter = store.filterIndex.value;
    if (filter === null || filter >= layer.out_channels) store.filterIndex.value = liveliest(layer.name);
    if (store.pageStart.value >= layer.channels_per_filter) store.pageStart.value = 0;
    const known = network.aggregations.some(({ spec, name }) => [spec, name].includes(store.aggregation.value));
    if (!known || store.aggregation.value === layer.aggregation) store.aggregation.value = "";
  });
}

/** Open a filter on a picture, there where it was looked at from a pixel "y,x" or, with "", from its strongest one. */
export function openPlace({ picture, layer, filter, pixel }) {
  batch(() => {
    if (picture) choosePicture(picture);
    chooseLayer(layer, Number(filter));
    if (pixel === undefined) return;
    const [y, x] = pixel.split(",").map(Number);
    store.pinned.value = x === undefined ? null : { y, x };
  });
}

/** Go to the layer so many places on. */
export function stepLayer(by) {
  const layers = store.network.value?.layers ?? [];
  const at = layers.findIndex(({ name }) => name === store.layerName.value);
  const next = layers[at + by];
  if (next) chooseLayer(next.name);
}

/** Go to the filter so many places on, around the ends. */
export function stepFilter(by) {
  const count = store.layer.value?.out_channels;
  if (count) chooseFilter((store.filterIndex.value + by + count) % count);
}

/** Combine the channels another way; "" is the trained way. */
export function chooseAggregation(name) {
  const trained = store.layer.value?.aggregation;
  store.aggregation.value = name === trained ? "" : name;
}

/** Go to the aggregation so many places on, around the ends. */
export function stepAggregation(by) {
  const names = (store.network.value?.aggregations ?? []).filter(store.combines).map(({ spec }) => spec);
  const current = store.aggregation.value || store.layer.value?.aggregation;
  const at = Math.max(names.indexOf(current), 0);
  if (names.length) chooseAggregation(names[(at + by + names.length) % names.length]);
}

/** Show another page of channels. */
export function turnPage(start) {
  store.pageStart.value = start;
}

/** Point at an output pixel, for as long as the pointer stays. */
export function hover(pixel) {
  store.hovered.value = pixel;
}

/** Keep an output pixel. */
export function pin(pixel) {
  batch(() => {
    store.pinned.value = clamp(pixel, store.layer.value.output_size);
    store.hovered.value = null;
    store.reached.value = null; // who points at a pixel wants to see all around it
  });
}

/** Look at the strongest pixel again. */
export function unpin() {
  batch(() => {
    store.pinned.value = null;
    store.hovered.value = null;
    store.reached.value = null;
  });
}

/** Open a picture by its id. */
export function choosePicture(id) {
  batch(() => {
    store.pictureId.value = id;
    store.picking.value = false;
    store.problem.value = null;
  });
}

/** Light or dark, and remember it. */
export function toggleTheme() {
  store.theme.value = store.theme.value === "dark" ? "light" : "dark";
  remember("theme", store.theme.value);
}

/** One scale for all maps of a column, or each its own. */
export function toggleScale() {
  store.sharedScale.value = !store.sharedScale.value;
}

/** Single-key shortcuts on or off, and remember it. */
export function toggleShortcuts() {
  store.shortcuts.value = !store.shortcuts.value;
  remember("shortcuts", String(store.shortcuts.value));
}

/**
 * The aggregation to ask the source for: "" for the layer's own, and for one that keeps the maps apart and so makes none.
 * @param {object} layer
 * @param {object} word the chosen aggregation
 */
export function asked(layer, word) {
  return word.separate || word.spec === layer.aggregation ? "" : word.spec;
}

/** Keep a setting for the next visit, where the browser lets us. */
function remember(name, value) {
  try {
    localStorage.setItem(`convitro.${name}`, value);
  } catch {
    // A browser that forbids storage still shows the page.
  }
}

/** A setting of an earlier visit, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(`convitro.${name}`);
  } catch {
    return null;
  }
}
