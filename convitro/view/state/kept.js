/** What a page without a server brings along besides its layers: which views that opens, and where to find it. */

import { brought, network } from "./store.js";

/** Whether there is any document of these kinds. */
export function holds(kinds) {
  return [...brought.value].some((key) => kinds.includes(key.split("\n")[0]));
}

/** What the parts of a key say of its place. */
const PLACES = {
  combined: ([picture, layer, filter]) => ({ picture, layer, filter }),
  projection: ([picture, layer, filter, pixel]) => ({ picture, layer, filter, pixel }),
  patches: ([layer, filter]) => ({ layer, filter }),
  epochFilter: ([picture, layer, , filter]) => ({ picture, layer, filter }),
};

/** Where a document of a kind is here: of the open picture, if there is one, else the first; null where there is none. */
export function keptPlace(kind) {
  const all = [...brought.value].map((key) => key.split("\n")).filter(([name]) => name === kind);
  const places = all.map(([, ...parts]) => PLACES[kind](parts));
  return places.find(({ picture }) => picture === network.value?.picture.id) ?? places[0] ?? null;
}
