/** Which network is open of those that can be; a model file that is being opened; what each network was left at. */

import { batch, computed, signal } from "@preact/signals";
import * as store from "./store.js";

const MAX_BYTES = 512 * 2 ** 20;
const WHOLE = [".onnx", ".pt2", ".keras", ".h5", ".hdf5"];
const WEIGHTS = [".pt", ".pth", ".ckpt", ".bin", ".safetensors"];
export const MODEL_FILES = [...WHOLE, ...WEIGHTS].join(",");

export const choosingModel = signal(false); // the dialog is open
export const models = signal(null); // [{id, name, input_size, classes, opened}]
export const opening = signal(""); // the name of the file on its way
export const modelProblem = signal(null); // why a file was not opened
export const modelFile = signal(null); // the file that was chosen last, to try again with other settings
export const takes = signal({ input: "", mean: "", std: "" }); // what a model of a file takes; empty: found out, 0 and 1

/** Whether another network has been chosen and is on its way. */
export const switching = computed(() => Boolean(store.network.value) && store.network.value.model !== store.modelId.value);

const left = new Map(); // model -> what was chosen there
let wanted = null; // the choices to open the next network with; null: those of the address

/** Open a network: where it was left, or at its beginning. */
export function chooseModel(id) {
  const shown = store.network.value;
  if (shown) left.set(shown.model, choices());
  wanted = left.get(id) ?? { layer: "", filter: null, aggregation: "", start: 0, pixel: null };
  batch(() => {
    store.modelId.value = id;
    store.problem.value = null;
    choosingModel.value = false;
  });
}

/** The address says what is to be open, with everything else. */
export function chooseModelOfAddress(id) {
  wanted = null;
  store.modelId.value = store.live.value ? (id ?? "").slice(0, 80) : "";
}

/** Set what belongs to the network that has just come. */
export function takeUpChoices() {
  if (!wanted) return;
  store.layerName.value = wanted.layer;
  store.filterIndex.value = wanted.filter;
  store.aggregation.value = wanted.aggregation;
  store.pageStart.value = wanted.start;
  store.pinned.value = wanted.pixel;
  store.hovered.value = null;
  wanted = null;
}

function choices() {
  const { layerName, filterIndex, aggregation, pageStart, pinned } = store;
  return {
    layer: layerName.value,
    filter: filterIndex.value,
    aggregation: aggregation.value,
    start: pageStart.value,
    pixel: pinned.value,
  };
}

/** Whether a file is a model by its name. */
export function isModelFile({ name }) {
  return MODEL_FILES.split(",").some((suffix) => name.toLowerCase().endsWith(suffix));
}

/**
 * Hand a model file to the loader; what comes of it is said in the dialog.
 * @param {import("./loader.js").Loader} loader
 * @param {File | null | undefined} file
 */
export function openModelFile(loader, file) {
  if (!file) return;
  batch(() => {
    choosingModel.value = true;
    modelFile.value = file;
    modelProblem.value = null;
  });
  if (!isModelFile(file)) refuse(`${file.name} is no model file.`, "choose an .onnx, .pt2 (torch.export), .keras or .h5 file");
  else if (file.size > MAX_BYTES) refuse(`${file.name} is larger than 512 MB.`, "start `convitro explore` with it");
  else void loader.openModel(file, takes.value);
}

function refuse(problem, hint) {
  modelProblem.value = { problem, hint };
}
