/** What the steps of a tour may speak of: the numbers that the page shows now, of the open network on the open picture. */

import { mapOf } from "../data/document.js";
import { compare } from "../numbers/arithmetic.js";
import { costOf } from "../numbers/geometry.js";
import { opposingPairs } from "../numbers/opposition.js";
import { channelName } from "../numbers/scale.js";
import { cancellation } from "./aggregations.js";
import { partialValues } from "./parts.js";
import * as play from "./play.js";
import { health, patches } from "./sees.js";
import * as store from "./store.js";

/**
 * @typedef {ReturnType<typeof facts>} Facts
 * Reading it follows the page: whoever shows it is told when a number changes.
 */
export function facts() {
  const [network, layer, shown] = [store.network.value, store.layer.value, store.chain.value];
  const ready = Boolean(shown && layer && shown.layer === layer && shown.filter === store.filterIndex.value);
  return {
    live: store.live.value,
    name: network.name,
    layers: network.layers,
    layer,
    filter: store.filterIndex.value,
    ready, // whether the numbers of the open filter are here
    /** The pixel that the page looks at; only where `ready`. */
    get here() {
      return atPixel(shown);
    },
    /** Every partial map of the page; only where `ready`. */
    get maps() {
      return partialMaps(shown);
    },
    get play() {
      return playing();
    },
    cancelled: ofFilter(cancellation.value, layer),
    patches: ofFilter(patches.value, layer),
    health: health.value,
  };
}

/** A document if it is that of the open filter. */
function ofFilter(document, layer) {
  return document?.layer === layer?.name && document?.filter === store.filterIndex.value ? document : null;
}

/** The partial maps of the open filter on this page, each with its channel's name. */
function partialMaps({ layer, inputs, document }) {
  return inputs.channels.map((channel, index) => ({
    name: channelName(layer, channel),
    values: mapOf(document.arrays.partial_maps, index),
  }));
}

/** The arithmetic of the pixel that the page looks at. */
function atPixel({ layer, inputs, document, word }) {
  const { pixel, pool } = store.place.value;
  const at = pixel.y * layer.output_size[1] + pixel.x;
  const values = partialValues.value;
  const names = inputs.channels.map((channel) => channelName(layer, channel));
  const sum = values.reduce((total, value) => total + value, 0);
  const brought = values.reduce((total, value) => total + Math.abs(value), 0);
  const [pair] = opposingPairs(values, 1);
  const number = (name) => document.arrays[name]?.values[at];
  return {
    pixel, values, names, sum, brought,
    kept: Math.abs(sum),
    lost: brought > 0 ? 1 - Math.abs(sum) / brought : 0,
    pair: pair ? { up: names[pair.up], plus: pair.plus, down: names[pair.down], minus: pair.minus } : null,
    whole: inputs.channels.length === layer.channels_per_filter, // whether all channels are on this page
    aggregation: word.spec,
    separate: Boolean(word.separate),
    bias: layer.has_bias ? document.bias : null,
    aggregated: number("aggregated"),
    output: number("output"),
    activated: number("activated"),
    wins: pool?.wins ?? null,
  }; // prettier-ignore
}

/** What the view Play shows; the numbers of a stack only where one is open. */
function playing() {
  const { empty, layer, aggregated } = play.result.value;
  const channels = play.picture.value.channels.length;
  const place = play.playPlace.value;
  return {
    channels,
    aggregation: play.setting.value.aggregation,
    parameters: costOf({ channels, filters: 1, kernel_size: layer.kernel_size, output_size: layer.output_size }).parameters,
    values: empty ? [] : play.playParts.value.map(({ value }) => value),
    result: empty || !place ? null : aggregated[place.pixel.y * layer.output_size[1] + place.pixel.x],
    stack: play.stack.value && !play.stack.value.empty ? stacked() : null,
  };
}

/** Small layers against the large one: parameters of both, and how far their maps differ. */
function stacked() {
  const { large, steps, whole } = play.stack.value;
  const { width, kernels: [kernel] } = play.setting.value; // prettier-ignore
  const cost = ({ rows, columns }) => costOf({ channels: width, filters: width, kernel_size: [rows, columns], output_size: [1, 1] });
  return {
    width,
    small: steps.length * cost(kernel).parameters,
    large: cost(large).parameters,
    differs: compare(steps.at(-1).map, whole.map).limit,
  };
}
