/** The address keeps what is chosen: it can be shared, reloaded, and the back button works. */

import { batch, effect } from "@preact/signals";
import { settleChoices } from "./actions.js";
import { readAsked, writeAsked } from "./answer.js";
import { chooseMapKind, mapKind } from "./aggregations.js";
import { compared, readCompared } from "./compared.js";
import { chooseModelOfAddress, switching } from "./models.js";
import { openSetting, setting } from "./play.js";
import { writeSetting } from "./playaddress.js";
import * as training from "./training.js";
import * as store from "./store.js";
import { readPlace, settled, writePlace } from "./tour.js";
import { chooseView, OPENING } from "./views.js";

/** Choices as the part of the address after "#". */
function write() {
  const parts = new URLSearchParams();
  const tour = writePlace();
  if (tour) parts.set("tour", tour);
  if (store.view.value !== OPENING) parts.set("view", store.view.value);
  if (store.modelId.value) parts.set("model", store.modelId.value);
  if (store.pictureId.value) parts.set("picture", store.pictureId.value);
  if (compared.value.length) parts.set("compare", compared.value.join(","));
  if (store.layerName.value) parts.set("layer", store.layerName.value);
  parts.set("filter", String(store.filterIndex.value));
  if (store.aggregation.value) parts.set("aggregation", store.aggregation.value);
  if (store.pageStart.value) parts.set("start", String(store.pageStart.value));
  if (store.view.value === "aggregation" && mapKind.value !== "activated") parts.set("map", mapKind.value);
  if (writeAsked()) parts.set("answer", writeAsked());
  const pixel = store.pinned.value;
  if (pixel) parts.set("pixel", `${pixel.y},${pixel.x}`);
  if (store.view.value === "play") parts.set("play", writeSetting(setting.value));
  const epoch = training.epoch.value;
  if (store.view.value === "training" && epoch !== null && !training.playing.value) parts.set("epoch", String(epoch));
  return `#${parts}`;
}

/** Set the choices from the address; what it does not name takes its default. */
function read() {
  const parts = new URLSearchParams(location.hash.slice(1));
  batch(() => {
    chooseView(parts.get("view"));
    chooseModelOfAddress(parts.get("model"));
    store.pictureId.value = parts.get("picture") ?? "";
    readCompared(parts.get("compare"));
    store.layerName.value = parts.get("layer") ?? "";
    store.filterIndex.value = parts.has("filter") ? wholeNumber(parts.get("filter")) : null;
    store.aggregation.value = parts.get("aggregation") ?? "";
    store.pageStart.value = wholeNumber(parts.get("start"));
    chooseMapKind(parts.get("map"));
    readAsked(parts.get("answer"));
    const [y, x] = (parts.get("pixel") ?? "").split(",").map(wholeNumber);
    store.pinned.value = x === undefined ? null : { y, x };
    store.hovered.value = null;
    if (parts.has("play")) openSetting(parts.get("play"));
    training.epoch.value = parts.has("epoch") ? wholeNumber(parts.get("epoch")) : null;
    settleChoices();
    readPlace(parts.get("tour"), ![...parts.keys()].some((name) => name !== "tour" && name !== "picture"));
  });
}

function wholeNumber(text) {
  return /^\d{1,9}$/.test(text ?? "") ? Number(text) : 0;
}

/** Which view an address shows: a new view or preset is a new step for the back button, a new pixel or number is not. */
function viewOf(hash) {
  const parts = new URLSearchParams(hash.slice(1));
  parts.delete("pixel");
  parts.delete("epoch");
  if (parts.has("play")) parts.set("play", parts.get("play").split("*")[0]);
  return String(parts);
}

/** Put choices behind "#": as a new step for the back button, or in place of the last one. */
export function showAddress(hash, replace) {
  try {
    history[replace ? "replaceState" : "pushState"](null, "", location.pathname + hash);
  } catch {
    // A page inside another one has no address of its own; everything else works.
  }
}

/** Read the address once, then keep it and the choices in step. */
export function followAddress() {
  read();
  addEventListener("popstate", () => {
    if (/^(#.*=.*)?$/.test(location.hash)) read(); // any other is a place further down on the page
  });
  let first = true;
  effect(() => {
    const hash = write();
    if (!store.network.value || !settled.value || switching.value) return;
    const replace = first || viewOf(hash) === viewOf(location.hash);
    first = false; // also where the page was opened at just this address
    if (hash !== location.hash) showAddress(hash, replace);
  });
}
