/** Other pictures beside the open one: which, and what the open filter makes of each. */

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { SourceError } from "../data/source.js";
import { asked, choosePicture } from "./actions.js";
import * as store from "./store.js";

export const MOST = 3; // besides the open picture

/** Ids of pictures, in the order in which they were chosen; the address keeps them. */
export const compared = signal([]);

/** Which map of the filter is shown of each. */
export const besideKind = signal("activated");

/** Picture -> {key, document} or {key, problem}: the key says of which filter. */
export const beside = signal({});

/** The pictures to show beside the open one. */
export const others = computed(() => compared.value.filter((id) => id !== store.network.value?.picture.id).slice(0, MOST));

/** What is compared now: layer, filter and aggregation. */
export const besideKey = computed(() => {
  const { layer, filterIndex, aggregationWord } = store;
  return layer.value && aggregationWord.value ? [layer.value.name, filterIndex.value, asked(layer.value, aggregationWord.value)].join("\n") : "";
});

/** Put a picture beside the open one, or take it away. */
export function toggleCompared(id) {
  if (compared.value.includes(id)) compared.value = compared.value.filter((each) => each !== id);
  else if (others.value.length < MOST) compared.value = [...others.value, id];
}

/** Open a picture from beside; the open one takes its place. */
export function swapWith(id) {
  const open = store.network.value.picture.id;
  batch(() => {
    compared.value = others.value.map((each) => (each === id ? open : each));
    choosePicture(id);
  });
}

/** The pictures that an address names. */
export function readCompared(text) {
  const ids = (text ?? "").split(",").filter((id) => id && id.length <= 80);
  compared.value = [...new Set(ids)].slice(0, MOST + 1);
}

/**
 * Fetch what is missing while the filter is open.
 * @param {import("./loader.js").Loader} loader
 */
export function followCompared(loader) {
  effect(() => {
    const { view, network, layer, filterIndex, reachable, offline } = store;
    const key = besideKey.value;
    const pictures = others.value;
    const made = !store.aggregationWord.value?.separate; // kept apart there is no one map to show
    const open = view.value === "filter" && network.value && key && made && filterIndex.value !== null && reachable.value;
    if (!open || !pictures.length || offline.value) loader.withdraw("compared");
    else untracked(() => void loader.newest("compared", (abort) => fill(loader, pictures, layer.value, key, abort)));
  });
}

/** One picture after the other, as they stand on the page. */
async function fill({ cache, source }, pictures, layer, key, abort) {
  const [name, filter, aggregation] = key.split("\n");
  for (const picture of pictures) {
    if (beside.value[picture]?.key === key && beside.value[picture].document) continue;
    const found = await cache
      .get(["compared", picture, key].join("\n"), () => source.compared(picture, name, Number(filter), aggregation, abort))
      .then((document) => ({ document }), refused);
    if (abort.aborted) return;
    beside.value = { ...beside.value, [picture]: { key, ...found } };
  }
}

/** A picture that is not here any more is said on its card; anything else concerns the whole page. */
function refused(error) {
  if (error instanceof SourceError && error.kind === "refused") return { problem: error.facts };
  throw error;
}
