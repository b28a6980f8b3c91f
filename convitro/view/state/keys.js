/** Single-key shortcuts. Each acts only where its effect can be seen; the list under "?" is made from this table. */

import * as actions from "./actions.js";
import { askWhy } from "./answer.js";
import { cardsKept, toggleMapKind } from "./aggregations.js";
import { choosingModel } from "./models.js";
import { keepPixel } from "./play.js";
import { saving } from "./saving.js";
import { SLIDES } from "./slide.js";
import * as store from "./store.js";
import { stepEpoch, togglePlaying } from "./training.js";
import { leaveTour, openStep, turnStep } from "./tour.js";
import { chooseView, shownViews } from "./views.js";

const OF_A_PIXEL = ["filter", "aggregation", "sees"];
const OF_A_FILTER = [...OF_A_PIXEL, "training"];
const WITH_MAPS = ["network", ...OF_A_FILTER, "play"];
const SLIDING = ["filter", "play"];

/**
 * @typedef {{keys: string[], words: string, run: (key: string) => void, views?: string[], needsServer?: boolean, needsCards?: boolean, tour?: boolean, always?: boolean, needsNetwork?: boolean}} Shortcut
 *   `views` are those where it acts, all where there are none; `tour` ones act during a tour; `always` ones are no
 *   letters, and act also where single-key shortcuts are switched off; those with `views` need a network as well
 * @type {Shortcut[]}
 */
export const SHORTCUTS = [
  {
    keys: Array.from({ length: 9 }, (_, index) => String(index + 1)),
    words: "the views, in the order of the tabs",
    run: (key) => shownViews()[key - 1] && chooseView(shownViews()[key - 1].id),
  },
  { keys: ["t"], words: "light or dark", run: () => actions.toggleTheme() },
  { keys: ["o"], words: "open another model", run: () => (choosingModel.value = true), needsServer: true },
  { keys: ["e"], words: "save this view or the session", run: () => (saving.value = true), needsNetwork: true },
  { keys: ["?"], words: "this list", run: () => (store.helping.value = true), always: true },
  { keys: ["p"], words: "choose a picture", run: () => (store.picking.value = true), views: WITH_MAPS },
  { keys: ["s"], words: "shared or own colour scale", run: () => actions.toggleScale(), views: WITH_MAPS },
  { keys: ["y"], words: "how the answer comes about", run: () => askWhy(), views: ["network", ...OF_A_FILTER] },
  { keys: ["j", "k"], words: "next, previous filter", run: (key) => actions.stepFilter(key === "j" ? 1 : -1), views: OF_A_FILTER },
  { keys: ["l", "h"], words: "next, previous layer", run: (key) => actions.stepLayer(key === "l" ? 1 : -1), views: OF_A_FILTER },
  { keys: ["m"], words: "jump to the strongest pixel", run: toStrongest, views: [...OF_A_PIXEL, "play"] },
  {
    keys: ["a", "A"],
    words: "next, previous aggregation",
    run: (key) => actions.stepAggregation(key === "a" ? 1 : -1),
    views: ["filter", "aggregation"], // there the chosen card is marked
    needsCards: true,
  },
  {
    keys: ["0"],
    words: "back to the trained aggregation",
    run: () => actions.chooseAggregation(""),
    views: ["filter", "aggregation"],
    needsCards: true,
  },
  { keys: ["g"], words: "feature maps or aggregated maps", run: toggleMapKind, views: ["aggregation"] },
  { keys: ["x"], words: "slide the kernel, pause", run: () => SLIDES[store.view.value].toggle(), views: SLIDING },
  {
    keys: [".", ","],
    words: "slide one place on, one place back",
    run: (key) => SLIDES[store.view.value].by(key === "." ? 1 : -1),
    views: SLIDING,
  },
  { keys: ["x"], words: "play the epochs, pause", run: togglePlaying, views: ["training"] },
  {
    keys: [".", ","],
    words: "next, previous epoch",
    run: (key) => stepEpoch(key === "." ? 1 : -1),
    views: ["training"],
  },
  { keys: ["→", "←"], words: "next, previous step", run: (key) => turnStep(key === "→" ? 1 : -1), tour: true, always: true },
  { keys: ["n", "b"], words: "next, previous step", run: (key) => turnStep(key === "n" ? 1 : -1), tour: true },
  { keys: ["Esc"], words: "leave the tour", run: () => leaveTour(), tour: true, always: true },
];

const NAMES = { ArrowRight: "→", ArrowLeft: "←", Escape: "Esc" };

/** Jump to the strongest pixel of the map that is open. */
function toStrongest() {
  if (store.view.value === "play") keepPixel(null);
  else actions.unpin();
}

/** Whether the page has what a shortcut needs. */
function canAct({ needsServer, needsCards }) {
  return store.live.value || !(needsServer || (needsCards && !cardsKept.value));
}

/** Whether a shortcut does something where the page is now. */
function acts({ views, tour, always, needsNetwork, ...needs }) {
  if (!always && !store.shortcuts.value) return false;
  if (!canAct(needs)) return false;
  if ((views || needsNetwork) && !store.network.value) return false;
  if (tour && !openStep.value) return false;
  return !views || views.includes(store.view.value);
}

/**
 * The shortcuts in groups, as the list shows them: those of the open view, of all views, of tours, then of other views.
 * @returns {{title: string, here: boolean, shortcuts: Shortcut[]}[]}
 */
export function shortcutGroups() {
  const shown = shownViews();
  const groups = new Map([[HERE, []], [EVERYWHERE, []], [ON_TOUR, []]]);
  for (const shortcut of SHORTCUTS) {
    const views = shown.filter(({ id }) => shortcut.views?.includes(id));
    if (!canAct(shortcut) || (shortcut.views && !views.length)) continue;
    const title = groupOf(shortcut, views);
    groups.set(title, [...(groups.get(title) ?? []), shortcut]);
  }
  const open = shown.find(({ id }) => id === store.view.value).title;
  return [...groups]
    .filter(([, shortcuts]) => shortcuts.length)
    .map(([title, shortcuts]) => ({ title: title === HERE ? open : title, here: title === HERE, shortcuts }));
}

const [HERE, EVERYWHERE, ON_TOUR] = ["here", "Everywhere", "During a tour"];

/** The group of a shortcut, named after the views where it acts unless the open one is among them. */
function groupOf({ tour, views: only }, views) {
  if (tour) return ON_TOUR;
  if (!only) return EVERYWHERE;
  if (views.some(({ id }) => id === store.view.value)) return HERE;
  const names = views.map(({ title }) => title);
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
}

/** Listen for the shortcuts, except while someone types, holds a modifier, or has a dialog open. */
export function followKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, textarea, select, dialog")) return;
    const name = NAMES[event.key] ?? event.key;
    const shortcut = SHORTCUTS.find((each) => each.keys.includes(name) && acts(each));
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run(name);
  });
}
