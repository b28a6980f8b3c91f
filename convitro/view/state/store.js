/** Everything the page knows, as signals. Only actions.js and loader.js write what came from the source. */

import { computed, signal } from "@preact/signals";
import { mapOf } from "../data/document.js";
import { strongest } from "../numbers/arithmetic.js";
import { clamp, pixelAt, poolPlace, windowBox } from "../numbers/window.js";

// What the person chose; the address keeps these.
export const view = signal("filter"); // one of views.js
export const modelId = signal(""); // "" is the first network of the server
export const pictureId = signal("");
export const layerName = signal("");
export const filterIndex = signal(null); // null: a lively one, found when the layer opens
export const aggregation = signal(""); // "" is the layer's own
export const pageStart = signal(0);
export const pinned = signal(null); // {y, x} of the output, or null for the strongest pixel

// What the pointer is over: {y, x} of the output, or null.
export const hovered = signal(null);

// While the kernel slides: the output pixel it has come to, in reading order; null where all of them are shown.
export const reached = signal(null);

// How things look.
export const sharedScale = signal(true);
export const strongestFirst = signal(false);
export const theme = signal("light");
export const shortcuts = signal(true);

// What came from the source.
export const network = signal(null);
export const layerMaps = signal({}); // layer name -> document of its small maps
export const chain = signal(null); // {layer, filter, start, word, inputs, document}: what is shown, one consistent whole
export const opposition = signal(null); // of a filter whose channels need pages: the document of its cancellation
export const pictures = signal(null);

/** Without a server: the keys of the documents that the page brings along (`explorer/gathered.py`), as they lie there. */
export const brought = signal(new Set());

// What is going on.
export const chainPending = signal(false);
export const live = signal(true); // a server stands behind the page; false where the page carries its own documents
export const offline = signal(false);
export const problem = signal(null); // {problem, expected, received, hint}
export const unopened = signal(null); // why not even the first network can be shown, in the same form
export const picking = signal(false);
export const helping = signal(false);
export const detailed = signal(null); // the place on this page of the channel whose products are written out
export const announcement = signal("");
export const whole = signal(false); // everything is drawn, also what is off the screen: for a picture of the whole view

/** The manifest of the chosen layer. */
export const layer = computed(() => network.value?.layers.find(({ name }) => name === layerName.value) ?? null);

/** Whether the numbers of the chosen filter can be had: a page without a server may carry only some. */
export const reachable = computed(() => layer.value?.kept?.includes(filterIndex.value) ?? true);

/** Whether a document can be had: isKept("combined", picture, layer, filter, aggregation). With a server all can. */
export function isKept(...parts) {
  return live.value || brought.value.has(parts.join("\n"));
}

/** Whether the open filter can be shown with its channels combined that way; kept apart they need no further document. */
export function combines({ spec, separate }) {
  const own = layer.value?.aggregation;
  const place = [network.value?.picture.id, layerName.value, filterIndex.value];
  return spec === own || isKept("combined", ...place, separate ? "" : spec);
}

/** The chosen aggregation as the library describes it; the layer's own where none is chosen, or it is not here. */
export const aggregationWord = computed(() => {
  const words = network.value?.aggregations ?? [];
  const named = (spec) => words.find((word) => word.spec === spec) ?? words.find((word) => word.name === spec) ?? null;
  const chosen = aggregation.value ? named(aggregation.value) : null;
  return chosen && combines(chosen) ? chosen : named(layer.value?.aggregation);
});

/** The channels of the page in the order of their rows, each by its place on the page. */
export const rowOrder = computed(() => {
  const { inputs, document, start } = chain.value;
  const places = inputs.channels.map((_, index) => index);
  const strengths = document.arrays.strengths.values;
  return strongestFirst.value ? places.sort((a, b) => strengths[start + b] - strengths[start + a]) : places;
});

/** The strongest pixel of the shown feature map: where the page looks until someone points elsewhere. */
const strongestPixel = computed(() => {
  if (!chain.value) return { y: 0, x: 0 };
  const { layer: shown, document } = chain.value;
  const { activated, partial_maps: partialMaps } = document.arrays;
  return strongest(shown, activated?.values ?? mapOf(partialMaps, 0));
});

/** The output pixel that everything on the page speaks of. */
export const focus = computed(() => {
  const shown = chain.value;
  if (!shown) return null;
  const sliding = reached.value === null ? null : pixelAt(reached.value, shown.layer.output_size);
  return clamp(hovered.value ?? sliding ?? pinned.value ?? strongestPixel.value, shown.layer.output_size);
});

/** The same place in every map of the chain: {pixel, window, pool}. */
export const place = computed(() => {
  const pixel = focus.value;
  if (!pixel) return null;
  const { layer: shown, document } = chain.value;
  const pool = shown.pool && poolPlace(shown.pool, document.arrays.switches?.values, pixel);
  return { pixel, window: windowBox(shown, pixel), pool };
});
