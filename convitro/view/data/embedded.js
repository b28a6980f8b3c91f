/** Documents that lie in the page itself: a report, from disk or in a notebook, without a server. */

import { partialMap } from "../numbers/convolve.js";
import { limitOf } from "../numbers/scale.js";
import { mapOf, readDocument } from "./document.js";
import { SourceError } from "./source.js";

const NO_TRAINING = "The training of this network is not in this report.";
const MAPS = ["aggregated", "output", "activated", "pooled"];

/** The same methods as the server's, over the documents inside the page. */
export class EmbeddedSource {
  /** @param {ParentNode} page where the documents' scripts stand */
  constructor(page) {
    const scripts = [...page.querySelectorAll("script[data-document]")];
    this.packed = new Map(scripts.map((script) => [script.dataset.document, script]));
    this.documents = new Map();
  }

  /** Under which keys documents lie in the page. */
  keys() {
    return new Set(this.packed.keys());
  }

  /** Whether a page carries its own documents. */
  static isIn(page) {
    return page.querySelector("script[data-document]") !== null;
  }

  /** The network on a picture; an empty id is the first picture. */
  async network(picture) {
    const { pictures } = await this.read("pictures");
    const id = pictures.some((each) => each.id === picture) ? picture : pictures[0].id;
    return this.read(`network\n${id}`);
  }

  /** A report is of one network. */
  async models() {
    return [];
  }

  /** As `upload`. */
  async openModel() {
    throw absent("Another model has to be opened.");
  }

  /** How the answer comes about, with the best classes taken apart. */
  answer(picture) {
    return this.kept(["answer", picture], "How the answer comes about is not in this report.");
  }

  /** The pictures of this report. */
  pictures() {
    return this.read("pictures");
  }

  /** Every layer with its sizes and costs. */
  table() {
    return this.read("table");
  }

  /** The small feature maps of a layer. */
  maps(picture, layer) {
    return this.read(`maps\n${picture}\n${layer}`);
  }

  /** A page of the channels that a filter reads. */
  async inputs(picture, name, filter, start) {
    const { layer, whole } = await this.layer(picture, name);
    const channels = channelsOf(layer, filter);
    const page = channels.slice(start, start + layer.channels_per_page);
    const all = part(whole.arrays.inputs, channels[0], channels.length);
    return {
      layer: name,
      start,
      channels: page,
      limit: limitOf(all.values),
      lowest: all.values.reduce((least, value) => Math.min(least, value), Infinity),
      highest: all.values.reduce((most, value) => Math.max(most, value), -Infinity),
      arrays: { inputs: part(whole.arrays.inputs, page[0], page.length) },
    };
  }

  /** The chain of a filter; under another aggregation than the trained one where its cards are here. */
  async filter(picture, name, filter, start, aggregation) {
    if (aggregation) return under(await this.filter(picture, name, filter, start, ""), await this.combined(picture, name, filter, aggregation));
    const { layer, whole } = await this.layer(picture, name);
    const place = whole.filters.indexOf(filter);
    if (place < 0) throw absent(`Filter ${filter} of ${name} is not in this report.`);
    const channels = channelsOf(layer, filter);
    const kernels = mapOf3(whole.arrays.kernels, place);
    const stored = whole.arrays.partial_maps && mapOf3(whole.arrays.partial_maps, place);
    const maps = channels.map((channel, index) =>
      stored
        ? mapOf(stored, index)
        : partialMap(layer, mapOf(whole.arrays.inputs, channel), mapOf(kernels, index)),
    );
    const page = maps.slice(start, start + layer.channels_per_page);
    const results = resultsOf(whole.arrays, place);
    return {
      layer: name,
      filter,
      start,
      aggregation: layer.aggregation,
      trained: true,
      bias: whole.biases[place],
      constants: whole.constants?.[place],
      limits: {
        kernels: limitOf(kernels.values),
        partial_maps: Math.max(0, ...maps.map(limitOf)),
        results: Math.max(0, ...MAPS.map((key) => limitOf(results[key]?.values ?? []))),
        trained_results: 0,
      },
      arrays: {
        kernels: part(kernels, start, page.length),
        partial_maps: stacked(page, layer.output_size),
        strengths: { values: Float32Array.from(maps, meanMagnitude), shape: [maps.length] },
        ...results,
      },
    };
  }

  /** What a filter makes of one more picture of this report. */
  async compared(picture, name, filter, aggregation) {
    const key = ["compared", picture, name, filter, aggregation].join("\n");
    if (this.packed.has(key)) return this.read(key);
    const { pictures } = await this.pictures();
    if (!pictures.some(({ id }) => id === picture)) throw absent("This picture is not in this report.");
    const [{ arrays, prediction, picture: facts }, part] = await Promise.all([
      this.network(picture),
      this.filter(picture, name, filter, 0, aggregation),
    ]);
    const maps = Object.fromEntries(MAPS.filter((key) => part.arrays[key]).map((key) => [key, part.arrays[key]]));
    const limits = Object.fromEntries(Object.entries(maps).map(([key, { values }]) => [key, limitOf(values)]));
    return { picture: facts, layer: name, filter, prediction: prediction.slice(0, 3), limits, arrays: { picture: arrays.picture, ...maps } };
  }

  /** How far the channels of a filter cancel out: of the filter that was open when the page was saved. */
  cancellation(picture, layer, filter) {
    return this.kept(["cancellation", picture, layer, filter], "How far the channels cancel out is not in this report.");
  }

  /** As `cancellation`. */
  combined(picture, layer, filter, aggregation) {
    return this.kept(["combined", picture, layer, filter, aggregation], `Under ${aggregation} the channels have to be combined anew.`);
  }

  /** As `cancellation`, where the network has run that way. */
  outcome(picture, layer, aggregation) {
    return this.kept(["outcome", picture, layer, aggregation], "The network has to be run again.");
  }

  /** What somebody looked at before the page was saved. */
  projection(picture, layer, filter, pixel, method) {
    return this.kept(["projection", picture, layer, filter, pixel, method], "A projection has to be computed.");
  }

  /** As `projection`; below a report stand the strongest patches of some filters. */
  patches(picture, layer, filter) {
    return this.kept(["patches", layer, filter], "The strongest patches have to be looked for.");
  }

  /** As `projection`; below a report stands the diagnosis. */
  health() {
    return this.kept(["health"], "The network has to be looked over.");
  }

  /** Nothing is computed here. */
  async looking() {
    return { doing: "", done: 0, total: 0 };
  }

  /** This page is such a file. */
  async session() {
    throw absent("A file of this session is what this page is.");
  }

  /** The training as it stood when the page was saved: its curves, and two of its epochs. */
  training() {
    return this.kept(["training"], NO_TRAINING);
  }

  /** As `training`. */
  epoch(picture, layer, epoch, start) {
    return this.kept(["epoch", picture, layer, epoch, start], NO_TRAINING);
  }

  /** As `training`. */
  epochFilter(picture, layer, epoch, filter) {
    return this.kept(["epochFilter", picture, layer, epoch, filter], NO_TRAINING);
  }

  /** As `training`. */
  movement(picture, layer) {
    return this.kept(["movement", picture, layer], NO_TRAINING);
  }

  /** A report takes no pictures. */
  async upload() {
    throw absent("Another picture has to be run through the network.");
  }

  /** A report is always there. */
  async alive() {}

  async layer(picture, name) {
    const key = `layer\n${picture}\n${name}`;
    if (!this.packed.has(key)) throw absent(`Layer ${name} is too large for this report: only its small maps are here.`);
    const network = await this.network(picture);
    const [filters, channels] = await Promise.all([this.read(key), this.read(`channels\n${picture}\n${name}`)]);
    const whole = { ...filters, arrays: { ...filters.arrays, ...channels.arrays } };
    return { layer: network.layers.find((each) => each.name === name), whole };
  }

  /** A document that may be here. */
  async kept(parts, problem) {
    const key = parts.join("\n");
    if (!this.packed.has(key)) throw absent(problem);
    return this.read(key);
  }

  /** A document, unpacked once. */
  read(key) {
    if (!this.documents.has(key)) this.documents.set(key, unpack(this.packed.get(key).textContent).then(readDocument));
    return this.documents.get(key);
  }
}

/** A filter's chain as trained, with its channels combined another way. */
function under(trained, { aggregation, limits, arrays }) {
  const { kernels, partial_maps, strengths, ...results } = trained.arrays;
  const before = Object.fromEntries(Object.entries(results).map(([name, array]) => [`trained_${name}`, array]));
  return {
    ...trained,
    aggregation,
    trained: false,
    limits: { ...trained.limits, results: Math.max(...Object.values(limits)), trained_results: trained.limits.results },
    arrays: { kernels, partial_maps, strengths, ...arrays, ...before },
  };
}

/** What is not here, and how to get it. */
function absent(problem) {
  return new SourceError("refused", {
    problem,
    hint: "start `convitro explore` with this network: there everything can be computed",
  });
}

/** Text to bytes: base64, then gzip. */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

function channelsOf(layer, filter) {
  const group = Math.floor(filter / (layer.out_channels / layer.groups));
  return Array.from({ length: layer.channels_per_filter }, (_, index) => group * layer.channels_per_filter + index);
}

/** So many maps of a stack, from one on, without copying. */
function part({ values, shape: [, height, width] }, first, count) {
  const size = height * width;
  return { values: values.subarray(first * size, (first + count) * size), shape: [count, height, width] };
}

/** The stack (C, KH, KW) of one filter out of (F, C, KH, KW). */
function mapOf3({ values, shape: [, channels, height, width] }, index) {
  const size = channels * height * width;
  return { values: values.subarray(index * size, (index + 1) * size), shape: [channels, height, width] };
}

function resultsOf(arrays, place) {
  const found = {};
  for (const name of [...MAPS, "switches"]) {
    const stack = arrays[name];
    if (stack) found[name] = { values: mapOf(stack, place), shape: stack.shape.slice(1) };
  }
  return found;
}

function stacked(maps, [height, width]) {
  const values = new Float32Array(maps.length * height * width);
  maps.forEach((map, index) => values.set(map, index * height * width));
  return { values, shape: [maps.length, height, width] };
}

function meanMagnitude(map) {
  return map.reduce((sum, value) => sum + Math.abs(value), 0) / map.length;
}
