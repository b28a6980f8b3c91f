/** What the views "What it sees" and "Health" know. */

import { computed, signal } from "@preact/signals";
import { filterIndex, isKept, layerName, network, pinned } from "./store.js";

export const METHODS = [
  { key: "deconvnet", label: "deconvnet", words: "Zeiler and Fergus: switches and turned filters, negative parts cut off" },
  { key: "guided", label: "guided", words: "Springenberg and others: also stops where a ReLU was closed" },
  { key: "gradient", label: "gradient", words: "the plain gradient of the pixel by the picture" },
];

export const method = signal("deconvnet");
export const projection = signal(null);
export const patches = signal(null);
export const health = signal(null);
export const healthRefusal = signal(null); // why there is none: {problem, expected, received, hint}
export const looked = signal(null); // {doing, done, total}: images that the network is passing, while somebody waits for it

/** The methods whose projection of the open filter can be had: of a page without a server those that it brings along. */
export const methods = computed(() => {
  const pixel = pinned.value ? `${pinned.value.y},${pinned.value.x}` : "";
  const place = [network.value?.picture.id, layerName.value, filterIndex.value, pixel];
  return METHODS.filter(({ key }) => isKept("projection", ...place, key));
});

/** The chosen method, or another one where only that can be had. */
export const chosenMethod = computed(() => (methods.value.find(({ key }) => key === method.value) ?? methods.value[0])?.key);

/** Whether any projection of the open filter can be had. */
export const projectionKept = computed(() => methods.value.length > 0);

/** The findings by kind, in the order in which they came. */
export const findings = computed(() => {
  const groups = new Map();
  for (const found of health.value?.findings ?? []) groups.set(found.kind, [...(groups.get(found.kind) ?? []), found]);
  return [...groups];
});
