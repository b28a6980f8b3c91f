/**
 * The view Aggregation: the open filter under every aggregation, one after the other, those on the screen first; and what
 * the network answers when the whole layer combines that way.
 */

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { SourceError } from "../data/source.js";
import { chooseAggregation } from "./actions.js";
import * as store from "./store.js";
import { chooseView } from "./views.js";

/** Which map the cards show; the address keeps it. @type {import("@preact/signals").Signal<"activated" | "aggregated">} */
export const mapKind = signal("activated");

/** What the cards speak of: {picture, layer, filter}. What is below belongs to this layer on this picture. */
export const subject = signal(null);
/** The document of the cancellation of the subject's filter, or of the one before while it is on its way. */
export const cancellation = signal(null);
/** Aggregation -> {filter, document} or {filter, problem}. */
export const combined = signal({});
/** Aggregation -> {document} or {problem}; the same for all filters of a layer. */
export const outcomes = signal({});
/** The aggregation whose card is being computed, and what for: {spec, what: "maps" | "outcome"}. */
export const working = signal(null);

const onScreen = new Set(); // aggregations whose cards can be seen
let wake = () => {};

/** The aggregations of the cards, the trained one first; keeping the maps apart makes no single map. */
export const cards = computed(() => {
  const trained = store.layer.value?.aggregation;
  const words = (store.network.value?.aggregations ?? []).filter(({ separate }) => !separate);
  return [...words.filter(({ spec }) => spec === trained), ...words.filter(({ spec }) => spec !== trained)];
});

/** Whether the layer keeps its maps apart: then no other aggregation fits into the network. */
export const keptApart = computed(() => store.layer.value?.separate ?? false);

/** Whether cards of the open filter can be had: a page without a server may bring those of one filter. */
export const cardsKept = computed(() => {
  const { network, layer, filterIndex, isKept } = store;
  const asked = (spec) => (spec === layer.value?.aggregation ? "" : spec);
  return cards.value.some(({ spec }) => isKept("combined", network.value.picture.id, layer.value?.name, filterIndex.value, asked(spec)));
});

/** Whether it can be had what the network answers when the layer combines that way; of the trained way it is known. */
export function answerKept(spec) {
  const { network, layer } = store;
  return spec !== layer.value?.aggregation && !keptApart.value && store.isKept("outcome", network.value?.picture.id, layer.value?.name, spec);
}

/** How far the cards are: {done, total}, counting maps and answers. */
export const progress = computed(() => {
  const filter = subject.value?.filter;
  const tasks = cards.value.flatMap(({ spec }) => [
    combined.value[spec]?.filter === filter,
    ...(answerKept(spec) ? [spec in outcomes.value] : []),
  ]);
  return { done: tasks.filter(Boolean).length, total: tasks.length };
});

/** A card has come onto the screen, or has left it. */
export function onCardSeen(spec, seen) {
  if (seen) onScreen.add(spec);
  else onScreen.delete(spec);
  wake();
}

/** Another network is open: nothing here is of it. */
export function forget() {
  subject.value = null;
  cancellation.value = null;
  combined.value = {};
  outcomes.value = {};
}

/** Show the feature maps, or what they are made of. */
export function chooseMapKind(kind) {
  mapKind.value = kind === "aggregated" ? kind : "activated";
}

/** The other kind of maps. */
export function toggleMapKind() {
  chooseMapKind(mapKind.value === "activated" ? "aggregated" : "activated");
}

/** Open the Filter view with an aggregation. */
export function openUnder(spec) {
  batch(() => {
    chooseAggregation(spec);
    chooseView("filter");
  });
}

/** Compute a card again whose computation was refused. */
export function tryAgain(spec) {
  const without = (entries) => Object.fromEntries(Object.entries(entries).filter(([key]) => key !== spec));
  batch(() => {
    combined.value = without(combined.value);
    outcomes.value = without(outcomes.value);
  });
  wake();
}

/**
 * Compute the cards of the open filter while their view is open.
 * @param {import("./loader.js").Loader} loader
 */
export function followAggregations(loader) {
  effect(() => {
    const { view, network, layer, filterIndex, offline } = store;
    const open = view.value === "aggregation" && network.value && layer.value && filterIndex.value !== null && cardsKept.value;
    if (!open || offline.value) loader.requests.aggregations?.abort();
    else {
      const next = { picture: network.value.picture.id, layer: layer.value, filter: filterIndex.value };
      untracked(() => void loader.newest("aggregations", (abort) => fill(loader, next, abort)));
    }
  });
}

/** Compute what is missing until all is there or something else is opened. */
async function fill(loader, next, abort) {
  const before = subject.value;
  batch(() => {
    if (before?.picture !== next.picture || before.layer !== next.layer) {
      cancellation.value = null;
      combined.value = {};
      outcomes.value = {};
    }
    subject.value = next;
  });
  abort.addEventListener("abort", () => (working.value = null));
  const { picture, layer, filter } = next;
  const found = store.isKept("cancellation", picture, layer.name, filter) ? await loader.cancellation(picture, layer, filter, abort) : null;
  if (abort.aborted) return;
  cancellation.value = found;
  while (!abort.aborted) {
    const task = nextTask(filter);
    working.value = task;
    if (task) await run(loader, next, task, abort);
    else await woken(abort);
  }
}

/** The next thing to compute for a card on the screen: all maps, the trained one first, come before any answer. */
function nextTask(filter) {
  const trained = store.layer.value.aggregation;
  const all = cards.value.map(({ spec }) => spec);
  const seen = store.live.value ? all.filter((spec) => onScreen.has(spec) || spec === trained) : all; // here nothing is computed
  const map = seen.find((spec) => combined.value[spec]?.filter !== filter);
  if (map !== undefined) return { spec: map, what: "maps" };
  const outcome = seen.find((spec) => answerKept(spec) && !(spec in outcomes.value));
  return outcome === undefined ? null : { spec: outcome, what: "outcome" };
}

/** Resolves when a card comes onto the screen, or when nobody waits any more. */
function woken(abort) {
  return new Promise((resolve) => {
    wake = resolve;
    abort.addEventListener("abort", resolve, { once: true });
  });
}

async function run({ cache, source }, { picture, layer, filter }, { spec, what }, abort) {
  const asked = spec === layer.aggregation ? "" : spec;
  const maps = what === "maps";
  const key = maps ? ["combined", picture, layer.name, filter, asked] : ["outcome", picture, layer.name, asked];
  const found = await cache
    .get(key.join("\n"), () =>
      maps
        ? source.combined(picture, layer.name, filter, asked, abort)
        : source.outcome(picture, layer.name, asked, abort),
    )
    .then((document) => ({ document }), refused);
  if (abort.aborted) return;
  const entries = maps ? combined : outcomes;
  entries.value = { ...entries.value, [spec]: { filter, ...found } };
}

/** What was refused is said on its card; anything else concerns the whole page. */
function refused(error) {
  if (error instanceof SourceError && error.kind === "refused") return { problem: error.facts };
  throw error;
}
