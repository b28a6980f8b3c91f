/** Single-key shortcuts. The list under "?" is made from this table. */

import * as actions from "./actions.js";
import { toggleMapKind } from "./aggregations.js";
import { choosingModel } from "./models.js";
import { saving } from "./saving.js";
import { slideBy, toggleSliding } from "./slide.js";
import * as store from "./store.js";
import { chooseView, shownViews } from "./views.js";

/** @type {{keys: string[], words: string, run: (key: string) => void}[]} */
export const SHORTCUTS = [
  { keys: ["j", "k"], words: "next, previous filter", run: (key) => actions.stepFilter(key === "j" ? 1 : -1) },
  { keys: ["l", "h"], words: "next, previous layer", run: (key) => actions.stepLayer(key === "l" ? 1 : -1) },
  {
    keys: ["a", "A"],
    words: "next, previous aggregation",
    run: (key) => actions.stepAggregation(key === "a" ? 1 : -1),
  },
  { keys: ["0"], words: "back to the trained aggregation", run: () => actions.chooseAggregation("") },
  {
    keys: ["g"],
    words: "in Aggregation: feature maps or aggregated maps",
    run: () => store.view.value === "aggregation" && toggleMapKind(),
  },
  { keys: ["m"], words: "jump to the strongest pixel", run: () => actions.unpin() },
  { keys: ["s"], words: "shared or own colour scale", run: () => actions.toggleScale() },
  { keys: ["p"], words: "choose a picture", run: () => (store.picking.value = true) },
  { keys: ["o"], words: "open another model", run: () => (choosingModel.value = store.live.value) },
  { keys: ["e"], words: "save this view or the session", run: () => (saving.value = true) },
  {
    keys: Array.from({ length: 9 }, (_, index) => String(index + 1)),
    words: "the views, in the order of the tabs",
    run: (key) => shownViews()[key - 1] && chooseView(shownViews()[key - 1].id),
  },
  { keys: ["x"], words: "Play: slide the kernel, pause", run: () => inPlay(toggleSliding) },
  {
    keys: [".", ","],
    words: "Play: one place on, one place back",
    run: (key) => inPlay(() => slideBy(key === "." ? 1 : -1)),
  },
  { keys: ["t"], words: "light or dark", run: () => actions.toggleTheme() },
  { keys: ["?"], words: "this list", run: () => (store.helping.value = true) },
];

function inPlay(run) {
  if (store.view.value === "play") run();
}

/** Listen for the shortcuts, except while someone types, holds a modifier, or has a dialog open. */
export function followKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    if (!store.shortcuts.value && event.key !== "?") return;
    const shortcut = SHORTCUTS.find(({ keys }) => keys.includes(event.key));
    if (!shortcut || !store.network.value) return;
    event.preventDefault();
    shortcut.run(event.key);
  });
}
