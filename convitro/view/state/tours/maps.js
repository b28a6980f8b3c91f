/** Which filter is applied to which map, and why are there not filters × maps of them? */

import { format, formatCount } from "../../numbers/format.js";
import { mapsOf } from "../../numbers/geometry.js";
import { many, named, second } from "./speech.js";

const EXAMPLE = 5; // a narrow screen shows six rows at first

/** The layer that hands its maps to another, as far as the order of the run tells. */
function before({ layers, layer }) {
  return layers[layers.findIndex(({ name }) => name === layer.name) - 1] ?? null;
}

/** What the channels of a layer are: the picture's, or maps of another layer. */
function sources(f) {
  return f.layer.raw_input ? "channels of the picture" : "maps of the layer before";
}

/** The channel that brings most to the pixel. */
function most({ here: { values, names } }) {
  const at = values.reduce((best, value, index) => (Math.abs(value) > Math.abs(values[best]) ? index : best), 0);
  return { name: names[at], value: values[at] };
}

/** The place of the channel that serves as an example: far enough from 0 that filter and channel are not mixed up. */
function example({ channels_per_filter: channels }) {
  return Math.min(EXAMPLE, channels - 1);
}

/** The row of that channel, or a part of it. */
const row = (part) => (layer) => `.chain .channel-row[data-index="${example(layer)}"]${part}`;

const channelsOf = ({ layer }) => layer.channels_per_filter;

export const MAPS = {
  id: "maps",
  title: "n maps, m filters",
  question:
    "I thought that every filter in the second layer would be applied to every activation map of the first: 28 × 28 × nb_filters × nb_filters. If it is not working that way, how do I know which filters are applied to which maps?",
  seen: "The kernels of a second layer one by one, each with the map that it reads, and what would happen if their maps were kept apart.",
  steps: [
    {
      view: "network",
      title: "Count the maps",
      at: ".network-row:has([aria-current=true])",
      state: (f) => ({ layer: second(f) }),
      words: (f) => {
        const { in_channels: channels, out_channels: filters, name } = f.layer;
        const from = before(f);
        const start = from ? `Layer **${name}** reads **${channels}** maps` : `Layer **${name}** reads **${channels}** ${channels === 1 ? "channel" : "channels"} of the picture`;
        return `${start} and has **${filters}** filters. If each filter made one map of each, ${channels} × ${filters} = **${formatCount(channels * filters)}** would come out. The row shows what does: **${formatCount(mapsOf(f.layer))}**.`;
      },
    },
    {
      view: "filter",
      title: "Every filter reads them all",
      at: ".layer-head .lead",
      state: (f) => ({ layer: second(f) }),
      words: (f) => {
        const { in_channels: channels, out_channels: filters, groups } = f.layer;
        const each = channelsOf(f);
        const kernels = `So the layer has ${filters} × ${each} = **${formatCount(filters * each)}** kernels, in **${filters}** filters.`;
        if (groups > 1) return `This layer has ${groups} groups: each filter reads **${each}** of the ${channels} ${sources(f)}, with one kernel for each. ${kernels}`;
        return `Your expectation was half right: every filter does go over every map. It has one kernel for each of the **${channels}** ${sources(f)}. ${kernels}`;
      },
    },
    {
      view: "filter",
      title: "This kernel, this map",
      at: row(""),
      state: (f) => ({ layer: second(f) }),
      words: (f) => {
        if (!f.ready) return null;
        const name = named(f.here.names[example(f.layer)]);
        return `This row answers “which is applied to which”. The kernel of filter **${f.filter}** for **${name}** reads that one map and no other, and makes the partial map at its right. Every other row is another kernel of the same filter, for another map.`;
      },
    },
    {
      view: "filter",
      title: "Who contributes most?",
      at: ".chain .contributions svg, .chain .channel-row .partial-value",
      state: (f) => ({ layer: second(f) }),
      words: (f) => {
        if (!f.ready) return null;
        const { name, value } = most(f);
        if (channelsOf(f) === 1) return `One channel, one kernel: at this pixel it brings **${format(value)}**. Point elsewhere and see how it changes.`;
        return `At this pixel ${named(name)} brings most, **${format(value)}**. Point elsewhere and other channels lead: a filter is a mixture of all maps before it, with other shares at every place.`;
      },
    },
    {
      view: "filter",
      title: "Many go in, one comes out",
      at: ".chain [data-result=aggregated]",
      state: (f) => ({ layer: second(f) }),
      words: (f) => {
        if (f.ready && f.here.separate) return "This layer is an exception: it keeps its partial maps apart, as the asker expected.";
        return `The ${many(channelsOf(f), "partial map")} become **one** map by their ${f.layer.aggregation}. That is why the number of maps is the number of filters, however many maps come in: here **${f.layer.out_channels}**.`;
      },
    },
    {
      view: "filter",
      title: "What you expected exists",
      at: ".kept-apart, .chain [data-result=aggregated]",
      state: (f) => ({ layer: second(f), aggregation: f.live ? "none" : "" }),
      words: (f) => {
        const { out_channels: filters } = f.layer;
        const maps = filters * channelsOf(f);
        return `With \`aggregation="none"\` all **${filters} × ${channelsOf(f)} = ${formatCount(maps)}** maps stay apart. A next layer of ${filters} filters would make ${formatCount(filters * maps)}, and so on. And none of them could see two maps at once: no corner out of two edges.`;
      },
    },
    {
      view: "filter",
      title: "Where it lies in the weights",
      at: row(" .column[data-column=kernel]"),
      state: (f) => ({ layer: second(f) }),
      words: (f) => {
        if (!f.ready) return null;
        const { kernel_size: [rows, columns], groups } = f.layer; // prettier-ignore
        const channel = example(f.layer);
        if (groups > 1) return `The weights are filters × channels × ${rows} × ${columns}. In a layer with groups the second number counts inside the group: this kernel is \`kernel(${f.filter}, ${channel})\` here and \`weight[${f.filter}, ${channel}]\` in PyTorch.`;
        return `This kernel is \`kernel(${f.filter}, ${channel})\`: filter first, then channel. PyTorch keeps it as \`weight[${f.filter}, ${channel}]\`, Keras as \`weight[:, :, ${channel}, ${f.filter}]\`. Both hold the same ${rows} × ${columns} numbers.`;
      },
    },
  ],
};
