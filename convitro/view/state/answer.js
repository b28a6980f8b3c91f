/** How the answer comes about: which class is looked at, beside which, and the document behind it. */

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { chooseLayer } from "./actions.js";
import * as store from "./store.js";
import { chooseView } from "./views.js";

/** The class that is looked at and the one that it is compared with: {of, against}; null while the dialog is closed. */
export const asked = signal(null);

/** {picture, model, document}: the newest that came. */
const found = signal(null);

/** Whether all classes are listed, or the best ten. */
export const everyClass = signal(false);

/** The document of the answer on the open picture; null while it is on its way. */
export const answer = computed(() => {
  const network = store.network.value;
  const fits = found.value && network && found.value.picture === network.picture.id && found.value.model === network.model;
  return fits ? found.value.document : null;
});

/** Look at a class; null is the best. */
export function askWhy(of = null) {
  if (!store.network.value?.answers) return;
  const best = store.network.value.prediction[0]?.index ?? 0;
  asked.value = { of: of ?? best, against: null };
}

/** Compare the class that is looked at with another; null compares with none. */
export function askAgainst(against) {
  if (asked.value) asked.value = { ...asked.value, against: against === asked.value.of ? null : against };
}

/** Close the dialog. */
export function stopAsking() {
  batch(() => {
    asked.value = null;
    everyClass.value = false;
  });
}

/** Close the dialog and open a filter. */
export function openFilter({ layer, filter }) {
  batch(() => {
    stopAsking();
    chooseView("filter");
    chooseLayer(layer, filter);
  });
}

/** The part of the address: "3", or "3,5" where two are compared; "" while nothing is asked. */
export function writeAsked() {
  if (!asked.value) return "";
  const { of, against } = asked.value;
  return against === null ? String(of) : `${of},${against}`;
}

/** The classes that an address names. */
export function readAsked(text) {
  const match = /^(\d{1,6})(?:,(\d{1,6}))?$/.exec(text ?? "");
  asked.value = match ? { of: Number(match[1]), against: match[2] === undefined || match[2] === match[1] ? null : Number(match[2]) } : null;
}

/**
 * Fetch what is missing while the dialog is open.
 * @param {import("./loader.js").Loader} loader
 */
export function followAnswer(loader) {
  effect(() => {
    const network = store.network.value;
    const question = asked.value;
    if (!network || !question || store.offline.value) return;
    if (!network.answers) untracked(stopAsking);
    else untracked(() => void load(loader, network.picture.id, question));
  });
}

/** Ask the source, unless the classes are taken apart already. */
function load(loader, picture, { of, against }) {
  const known = answer.value;
  const sought = [of, against].filter((index) => index !== null);
  if (known && sought.some((index) => index >= known.count)) return void stopAsking(); // an address may ask in vain
  const rows = known?.parts?.rows ?? [];
  if (known && (!known.parts || !store.live.value || sought.every((index) => rows.includes(index)))) return undefined;
  const classes = known ? sought.join(",") : ""; // the first time the best ones, which also tells how many there are
  return loader.newest("answer", async (signal) => {
    const key = ["answer", picture, classes].join("\n");
    const document = await loader.cache.get(key, () => loader.source.answer(picture, classes, signal));
    if (!signal.aborted) found.value = { picture, model: store.network.value.model, document };
    if (!signal.aborted && asked.value) await load(loader, picture, asked.value);
  });
}
