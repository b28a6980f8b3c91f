/** The view Training: the curves so far, the epoch that is looked at, and the open layer's filters as they were then. */

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { SourceError } from "../data/source.js";
import * as store from "./store.js";

/** Filters of a page; as in view/training.py. */
export const FILTERS_PER_PAGE = 32;
const POLL_MS = 2000;
const WHOLE_PLAY_MS = 7000;
const STEP_MS = [150, 700]; // shortest and longest stay at an epoch while it plays

/** The document of the training; null until it is here. */
export const training = signal(null);
/** Why the training, or what it kept of an epoch, cannot be shown: the facts of an error. */
export const refusal = signal(null);
/** The epoch that was chosen; null is the newest. The address keeps it. */
export const epoch = signal(null);
/** The epoch under the pointer on a curve. */
export const pointed = signal(null);
/** Whether the epochs go by. */
export const playing = signal(false);
/** Whether the small kernels show what training added instead of what they are. */
export const added = signal(false);
/** {now, start, filter, filterStart}: documents of the chosen epoch and of the first one, all of one layer and picture. */
export const shown = signal(null);
/** How far the filters of the open layer have moved. */
export const movement = signal(null);

const less = matchMedia("(prefers-reduced-motion: reduce)");
/** Whether the person asked for less motion: then it goes by hand only. */
export const still = signal(less.matches);
less.addEventListener("change", ({ matches }) => (still.value = matches));

const seen = signal(true);

/** The epochs whose filters can be shown. */
export const epochs = computed(() => training.value?.epochs ?? []);

/** The epoch that everything speaks of: the chosen one or the last before it; null where none was kept. */
export const current = computed(() => {
  const wanted = epoch.value ?? Infinity;
  return epochs.value.findLast((each) => each <= wanted) ?? epochs.value[0] ?? null;
});

/** Whether more epochs may come; what was saved stays as it was. */
export const goesOn = computed(() => store.live.value && ["running", "silent"].includes(training.value?.state));

/** Whether the open filter can be had as it was: a saved page brings along those of one page of a layer. */
export const filterKept = computed(() => {
  const { network, layerName, filterIndex } = store;
  return current.value !== null && store.isKept("epochFilter", network.value?.picture.id, layerName.value, current.value, filterIndex.value);
});

/** The numbers of the finished epochs, and those of the epoch that is read out. */
export const history = computed(() => training.value?.history ?? []);
export const readOut = computed(() => {
  const at = pointed.value ?? current.value;
  return history.value.find((row) => row.epoch === at) ?? null;
});

/** Look at an epoch; the last one means the newest, also when newer ones come. */
export function chooseEpoch(value) {
  epoch.value = value === epochs.value.at(-1) ? null : value;
}

/** Go so many epochs on. */
export function stepEpoch(by) {
  const at = epochs.value.indexOf(current.value);
  const next = epochs.value[Math.min(Math.max(at + by, 0), epochs.value.length - 1)];
  playing.value = false;
  if (next !== undefined) chooseEpoch(next);
}

/** Let the epochs go by, from the first one if the last is shown; or stop. */
export function togglePlaying() {
  if (still.value || epochs.value.length < 2) return;
  batch(() => {
    if (!playing.value && current.value === epochs.value.at(-1)) epoch.value = epochs.value[0];
    playing.value = !playing.value;
  });
}

/** Another network is open: its training is another one, or none. */
export function forget() {
  playing.value = false;
  for (const each of [training, refusal, pointed, shown, movement]) each.value = null;
}

/** Ask again for what was refused. */
export function tryAgain() {
  refusal.value = null;
}

/**
 * Load what the view needs while it is open; while the training goes on, look for news every two seconds.
 * @param {import("./loader.js").Loader} loader
 */
export function followTraining(loader) {
  const look = () => (seen.value = document.visibilityState === "visible");
  document.addEventListener("visibilitychange", look);
  look();
  const open = computed(() => store.view.value === "training" && store.network.value !== null && !store.offline.value);
  const model = computed(() => store.network.value?.model);
  effect(() => model.value !== undefined && open.value && seen.value && refusal.value === null && polled(loader));
  effect(() => {
    const { network, layer, filterIndex } = store;
    const ready = open.value && layer.value && filterIndex.value !== null && filterKept.value;
    if (!ready || refusal.value) return;
    const wanted = [network.value.picture.id, layer.value.name, filterIndex.value, current.value, epochs.value[0]];
    untracked(() => void loader.newest("epoch", (abort) => fill(loader, wanted, abort)));
  });
  effect(() => {
    const ready = open.value && store.layer.value && epochs.value.length > 1 && !refusal.value;
    if (!ready || !filterKept.value) return;
    const wanted = [store.network.value.picture.id, store.layer.value.name];
    untracked(() => void loader.newest("movement", (abort) => fillMovement(loader, wanted, abort)));
  });
  effect(play);
}

/** Ask now and then; the answer is a function that stops it. */
function polled(loader) {
  let timer = 0;
  let stopped = false;
  const ask = async () => {
    await loader.newest("training", async (abort) => {
      const found = await loader.source.training(abort).catch(refused);
      if (!abort.aborted && found) take(found);
    });
    if (!stopped && goesOn.peek()) timer = setTimeout(ask, POLL_MS);
  };
  untracked(() => void ask());
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/** News only: what looks the same need not be drawn again. */
function take(found) {
  const known = training.value;
  const grown = found.epochs.length !== known?.epochs.length || found.history?.length !== known.history?.length;
  if (grown || found.state !== known.state || found.state === "silent") training.value = found;
}

async function fill({ cache, source }, [picture, layer, filter, at, first], abort) {
  const get = (name, each, ...rest) =>
    cache.get([name, picture, layer, each, ...rest].join("\n"), () => source[name](picture, layer, each, ...rest, abort));
  const start = filter - (filter % FILTERS_PER_PAGE);
  const found = await Promise.all([
    get("epoch", at, start),
    get("epoch", first, start),
    get("epochFilter", at, filter),
    get("epochFilter", first, filter),
  ]).catch(refused);
  if (abort.aborted || !found) return;
  const [now, begin, one, oneBegin] = found;
  shown.value = { now, start: begin, filter: one, filterStart: oneBegin };
}

async function fillMovement({ source }, [picture, layer], abort) {
  const found = await source.movement(picture, layer, abort).catch(refused);
  if (!abort.aborted && found) movement.value = found;
}

/** What was refused is said in the view; anything else concerns the whole page. */
function refused(error) {
  if (!(error instanceof SourceError) || error.kind !== "refused") throw error;
  batch(() => {
    refusal.value = error.facts;
    playing.value = false;
  });
}

/** One epoch after the other, each once its filters are on the page. */
function play() {
  if (!playing.value) return undefined;
  if (store.view.value !== "training" || still.value) {
    playing.value = false;
    return undefined;
  }
  const at = epochs.value.indexOf(current.value);
  if (shown.value?.now.epoch !== current.value) return undefined;
  const stay = Math.min(Math.max(WHOLE_PLAY_MS / epochs.value.length, STEP_MS[0]), STEP_MS[1]);
  const timer = setTimeout(() => {
    const next = epochs.value[at + 1];
    batch(() => {
      if (next === undefined || next === epochs.value.at(-1)) playing.value = false;
      if (next !== undefined) chooseEpoch(next);
    });
  }, stay);
  return () => clearTimeout(timer);
}
