/** The views of the page: each shows the open network its own way, and has a place in the address. */

import { holds } from "./kept.js";
import { live, view } from "./store.js";

/**
 * @type {{id: string, title: string, words: string, needsServer?: boolean, saved?: string[]}[]} `saved` are documents that a
 *   saved session may bring along: with any of them the view needs no server
 */
export const VIEWS = [
  { id: "network", title: "Network", words: "every layer with its maps, and what leads to what" },
  { id: "filter", title: "Filter", words: "one filter, from its channels to its map" },
  {
    id: "aggregation",
    title: "Aggregation",
    words: "one filter with its channels combined in every way, and what the network then says",
    needsServer: true,
    saved: ["combined"],
  },
  {
    id: "sees",
    title: "What it sees",
    words: "what a filter looks at, here and in the pictures that make it most active",
    needsServer: true,
    saved: ["projection", "patches"],
  },
  { id: "play", title: "Play", words: "change a kernel by hand and see what comes out" },
  {
    id: "training",
    title: "Training",
    words: "a training epoch by epoch: its curves, and filters from random noise to what they became",
    needsServer: true,
    saved: ["training"],
  },
  { id: "health", title: "Health", words: "dead, noisy, redundant filters and more", needsServer: true, saved: ["health"] },
  { id: "table", title: "Table", words: "every layer with its sizes and costs" },
  { id: "learn", title: "Learn", words: "five questions about convolution layers, each answered by a short tour" },
];

/** The view that an address without a view opens. */
export const OPENING = "filter";

/** The views that this page can show: without a server, those that need no new computation or have brought it along. */
export function shownViews() {
  return VIEWS.filter(({ needsServer, saved = [] }) => live.value || !needsServer || holds(saved));
}

/** Open a view; an unknown name opens the filter. */
export function chooseView(id) {
  view.value = shownViews().some((each) => each.id === id) ? id : OPENING;
}
