/** The views of the page: each shows the open network its own way, and has a place in the address. */

import { live, view } from "./store.js";

/** @type {{id: string, title: string, words: string, needsServer?: boolean}[]} */
export const VIEWS = [
  { id: "filter", title: "Filter", words: "one filter, from its channels to its map" },
  { id: "play", title: "Play", words: "change a kernel by hand and see what comes out" },
];

/** The views that this page can show: without a server, those that need no new computation. */
export function shownViews() {
  return VIEWS.filter(({ needsServer }) => live.value || !needsServer);
}

/** Open a view; an unknown name opens the first. */
export function chooseView(id) {
  view.value = shownViews().some((each) => each.id === id) ? id : VIEWS[0].id;
}
