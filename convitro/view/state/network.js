/** What the Network view knows besides the page: folded groups, the search, the unit under the pointer. */

import { computed, signal } from "@preact/signals";
import { contracted, groupsOf, lanesOf } from "../numbers/lanes.js";
import { network } from "./store.js";

export const search = signal("");
export const folded = signal(new Set());
export const unit = signal(null); // {layer, y, x, size}: a pixel of a small map under the pointer

/** The nodes of the open network in the order in which they run. */
const nodes = computed(() =>
  (network.value?.nodes ?? []).map(([name, kind, sources]) => ({ name, kind, sources })),
);

/** The group of each node, for networks whose layers have names of several parts. */
export const groups = computed(() => groupsOf(nodes.value));

/** The rows to show: what is searched for without ways, or everything with the folded groups as one row each. */
export const rows = computed(() => {
  const words = search.value.trim().toLowerCase();
  if (words) {
    const found = nodes.value.filter(({ name, kind }) => kind === "layer" && name.toLowerCase().includes(words));
    return found.map((node) => ({ node, lane: 0, above: [], below: [], joins: [] }));
  }
  const groupOf = (name) => {
    const group = groups.value.get(name);
    return group !== undefined && folded.value.has(group) ? group : null;
  };
  return lanesOf(contracted(nodes.value, groupOf));
});

/** Whether a row is the first of an unfolded group: there stands the button that folds it. */
export const openings = computed(() => {
  const seen = new Set();
  const found = new Map();
  for (const { node } of rows.value) {
    const group = groups.value.get(node.name);
    if (group !== undefined && !seen.has(group)) {
      seen.add(group);
      found.set(node.name, group);
    }
  }
  return found;
});

/** Fold a group, or unfold it. */
export function toggleGroup(group) {
  const next = new Set(folded.value);
  if (!next.delete(group)) next.add(group);
  folded.value = next;
}

/** Fold all groups, or none. */
export function foldAll(all) {
  folded.value = new Set(all ? groups.value.values() : []);
}
