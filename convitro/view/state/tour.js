/** A guided tour over the live page: which step is open, the state that it sets, and whether the page still has it. */

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { chooseAggregation, chooseLayer, liveliest } from "./actions.js";
import { chooseMapKind, mapKind } from "./aggregations.js";
import { facts } from "./facts.js";
import { openSetting, setting } from "./play.js";
import { presetOf } from "./presets.js";
import * as store from "./store.js";
import { TOURS } from "./tours/all.js";
import { chooseView, VIEWS } from "./views.js";

/** The open step as the address writes it: {tour: id, number: from 1}; null where no tour is open. */
export const openPlace = signal(null);

/** What the open step still has to set: its state, then its pixel, for which the filter's maps must be here; or null. */
const unset = signal(null);

/** What the open step has set, by the names of `present`. */
const wanted = signal({});

/** The open tour; null where none is. */
export const openTour = computed(() => TOURS.find(({ id }) => id === openPlace.value?.tour) ?? null);

/** The open step. */
export const openStep = computed(() => openTour.value && stepsOf(openTour.value)[openPlace.value.number - 1]);

/** Views that a page may lack altogether: their steps are left out then. */
export const SOMETIMES = ["training"];

/** The steps of a tour on this page. */
export function stepsOf({ steps }) {
  return steps.filter(({ view }) => !SOMETIMES.includes(view) || VIEWS.some(({ id }) => id === view));
}

/** Whether this page can show a step; without a server some views are missing or hold one filter, and the step says so. */
export function canShow(step) {
  return VIEWS.some(({ id, needsServer }) => id === step.view && (store.live.value || !needsServer));
}

/**
 * What the open step says, from the numbers on the page.
 * @returns {{title: string, words: string | null, missing: boolean}} no `words` while the numbers are on their way
 */
export const spoken = computed(() => {
  const step = openStep.value;
  if (!step) return null;
  const missing = !canShow(step);
  const words = missing ? step.without : step.words;
  return { title: step.title, words: store.network.value ? words(facts()) : null, missing };
});

/** Selectors of what the open step speaks of. */
export function pointedAt() {
  const at = openStep.value?.at ?? "";
  if (typeof at === "string") return at;
  return store.layer.value ? at(store.layer.value) : "";
}

/** What the page shows now, as far as steps set it. */
const present = computed(() => ({
  view: store.view.value,
  layer: store.layerName.value,
  filter: store.filterIndex.value,
  aggregation: store.aggregation.value,
  map: mapKind.value,
  preset: setting.value.preset,
}));

/** Whether the page is still to be set to the open step: till then the address waits. */
export const settled = computed(() => unset.value !== "state");

/** Whether the person has gone elsewhere since the step was set. */
export const wandered = computed(
  () => settled.value && Object.entries(wanted.value).some(([name, value]) => present.value[name] !== value),
);

/** Open a tour at a step, counted from 1, and set the page to it. */
export function startTour(id, number = 1) {
  batch(() => {
    openPlace.value = { tour: id, number };
    unset.value = "state";
    wanted.value = {};
  });
}

/** Go to the next step, or the one before; after the last one the tour is over. */
export function turnStep(by) {
  const number = openPlace.value.number + by;
  if (number < 1) return;
  if (number > stepsOf(openTour.value).length) leaveTour("learn");
  else startTour(openTour.value.id, number);
}

/** Set the page to the open step again. */
export function returnToStep() {
  unset.value = "state";
}

/** End the tour where it is, or in another view. */
export function leaveTour(view = store.view.value) {
  batch(() => {
    openPlace.value = null;
    unset.value = null;
    chooseView(view);
  });
}

/** "why-sum.3" for the address. */
export function writePlace() {
  return openPlace.value ? `${openPlace.value.tour}.${openPlace.value.number}` : null;
}

/**
 * The step of an address.
 * @param {string | null} text "why-sum.3"
 * @param {boolean} alone whether the address names nothing else: then the page is set to the step, else it is as named
 */
export function readPlace(text, alone) {
  const [, id, digits] = /^([a-z0-9-]+)(?:\.(\d{1,2}))?$/.exec(text ?? "") ?? [];
  const tour = TOURS.find((each) => each.id === id);
  if (!tour) {
    openPlace.value = null;
    return;
  }
  const number = Math.min(Math.max(Number(digits ?? 1), 1), stepsOf(tour).length);
  startTour(id, number);
  if (alone) return;
  unset.value = null;
  const step = stepsOf(tour)[number - 1];
  wanted.value = canShow(step) ? { view: step.view } : {};
}

const PLAIN = { filter: { aggregation: "" }, aggregation: { map: "activated" } };

/** Set the page to a step. What it does not name stays, except for what would make its words wrong. */
function set(step) {
  if (!canShow(step)) {
    wanted.value = {};
    return;
  }
  const state = { ...PLAIN[step.view], ...step.state?.(facts()) };
  chooseView(step.view);
  store.reached.value = null;
  store.hovered.value = null;
  if (state.layer) openLayer(state.layer);
  if ("aggregation" in state) chooseAggregation(state.aggregation);
  if (state.map) chooseMapKind(state.map);
  if (state.play) openSetting(state.play);
  const names = ["layer", "filter", "aggregation", "map"].filter((name) => name in state || (name === "filter" && state.layer));
  wanted.value = Object.fromEntries(["view", ...names].map((name) => [name, present.value[name]]));
  if (state.play) wanted.value = { ...wanted.value, preset: presetOf(state.play.split("*")[0]).id };
}

/** Open a layer; the filter stays where the layer is open already and its numbers are here. */
function openLayer(name) {
  store.pageStart.value = 0;
  if (name !== store.layerName.value) chooseLayer(name);
  else if (!store.reachable.value) store.filterIndex.value = liveliest(name);
}

/** Set what the open step asks for as soon as it can be. */
export function followTour() {
  effect(() => {
    const step = openStep.value;
    if (!step || unset.value !== "state" || !store.network.value) return;
    untracked(() =>
      batch(() => {
        set(step);
        unset.value = step.pixel && canShow(step) ? "pixel" : null;
      }),
    );
  });
  effect(() => {
    if (unset.value !== "pixel") return;
    const now = facts();
    const pixel = now.ready && openStep.value.pixel(now);
    if (!pixel) return;
    untracked(() =>
      batch(() => {
        store.pinned.value = pixel;
        unset.value = null;
      }),
    );
  });
}
