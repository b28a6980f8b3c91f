/** What the views "What it sees" and "Health" know. */

import { computed, signal } from "@preact/signals";

export const METHODS = [
  { key: "deconvnet", label: "deconvnet", words: "Zeiler and Fergus: switches and turned filters, negative parts cut off" },
  { key: "guided", label: "guided", words: "Springenberg and others: also stops where a ReLU was closed" },
  { key: "gradient", label: "gradient", words: "the plain gradient of the pixel by the picture" },
];

export const method = signal("deconvnet");
export const projection = signal(null);
export const patches = signal(null);
export const health = signal(null);

/** The findings by kind, in the order in which they came. */
export const findings = computed(() => {
  const groups = new Map();
  for (const found of health.value?.findings ?? []) groups.set(found.kind, [...(groups.get(found.kind) ?? []), found]);
  return [...groups];
});
