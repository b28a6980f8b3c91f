/** Why are the results of the channels summed, and what is lost by it? */

import { readsNoPadding } from "../../numbers/arithmetic.js";
import { format, formatShare } from "../../numbers/format.js";
import { opposedPixel } from "../../numbers/opposition.js";
import { added, apart, listed, many, mixing, named, withServer } from "./speech.js";

/** The channels of the open filter, and where they are read. */
function filterOf({ filter, layer }) {
  return `Filter **${filter}** of layer **${layer.name}**`;
}

/** Where the channels cancel most, away from the padding. */
function opposed({ layer, maps }) {
  const inside = (pixel) => readsNoPadding(layer, pixel);
  return opposedPixel(maps.map(({ values }) => values), layer.output_size, inside);
}

export const WHY_SUM = {
  id: "why-sum",
  title: "Why the sum?",
  question:
    "Why do we sum up the results? Why not build the average, or add 17 all the time? If there is a positive edge on the red channel and a negative edge on the blue one, they will cancel each other out.",
  seen: "Where the channels of a filter cancel and how much is lost, why the mean is the same layer, and what every other way would give.",
  steps: [
    {
      view: "filter",
      title: "One partial map for each channel",
      at: ".chain .channel-row .column[data-column=partial]",
      state: (f) => ({ layer: mixing(f) }),
      pixel: opposed,
      words: (f) => {
        const count = f.layer.channels_per_filter;
        if (count === 1) return `${filterOf(f)} reads **one** channel and makes one partial map. There is nothing to add it to: no layer of this network has filters that read several channels.`;
        return `${filterOf(f)} reads **${count}** channels, each through a kernel of its own. So it makes **${count}** partial maps, one beside each channel. Nothing has been added yet.`;
      },
    },
    {
      view: "filter",
      title: "Then one pixel is added up",
      at: ".chain .sentence",
      state: (f) => ({ layer: mixing(f) }),
      pixel: opposed,
      words: (f) => {
        if (!f.ready) return null;
        const { pixel, values, aggregated, aggregation, whole, names } = f.here;
        const where = `At row ${pixel.y}, column ${pixel.x}`;
        if (f.here.separate) return apart(f);
        if (names.length === 1) return `${where} the one channel gives **${format(values[0])}**, and that is the result. Point at any map: the numbers follow.`;
        const channels = `${where} the ${whole ? "" : "first "}channels give`;
        if (aggregation !== "sum") return `${channels} **${listed(values)}**; the ${aggregation} of ${whole ? "these" : "all"} is **${format(aggregated)}**. This layer is a rare one that does not add. What a sum would make of them comes next.`;
        return `${channels} **${added(values)}**; together **${format(aggregated)}**. Point at any other place of a map: all numbers here follow you.`;
      },
    },
    {
      view: "filter",
      title: "Yes, they cancel",
      at: ".chain .channel-row .partial-value",
      state: (f) => ({ layer: mixing(f) }),
      pixel: opposed,
      words: (f) => {
        if (!f.ready) return null;
        const { pair, brought, kept, lost, whole, aggregation } = f.here;
        const [keeps, cancels] = aggregation === "sum" ? ["keeps", "cancels"] : ["would keep", "would cancel"];
        if (!pair) return `Here nothing cancels: ${f.here.names.length === 1 ? "there is one channel only" : "all channels pull the same way"}. Move to another pixel and watch for numbers of opposite sign.`;
        const some = whole ? "all channels bring" : "the channels on this page bring";
        return `Here ${named(pair.up)} gives **${format(pair.plus)}** and ${named(pair.down)} **${format(pair.minus)}**. In size ${some} **${format(brought)}**; their sum ${keeps} **${format(kept)}**: **${formatShare(lost)}** ${cancels}. That is real. But training chose these weights, and can turn any sign.`;
      },
    },
    {
      view: "filter",
      title: "A sum is a linear layer",
      at: ".chain .channel-row .products",
      state: (f) => ({ layer: mixing(f) }),
      words: (f) => {
        const { kernel_size: [rows, columns], channels_per_filter: channels } = f.layer; // prettier-ignore
        const count = rows * columns * channels;
        return `${f.layer.aggregation === "sum" ? "One pixel is" : "Added up, one pixel would be"} one long sum: **${count}** numbers of the patches times **${count}** weights. That is a linear layer, used with the same weights at every place. In every linear layer features can cancel; where that costs, the gradient changes the weights.`;
      },
    },
    {
      view: "aggregation",
      title: "Cancelled over all pixels",
      at: ".cancelling-bars",
      state: (f) => ({ layer: mixing(f) }),
      words: ({ cancelled, layer }) => {
        if (layer.channels_per_filter === 1) return "With one channel nothing can cancel, so there is nothing to count here.";
        if (!cancelled) return null;
        const chance = cancelled.baseline === null ? "" : ` Random weights would lose **${formatShare(cancelled.baseline)}** on this same picture.`;
        return `Over its whole map this filter ${layer.aggregation === "sum" ? "loses" : "would lose"} **${formatShare(cancelled.value)}** in the sum.${chance} Losing more than chance is no fault: such a filter answers to a difference between its channels.`;
      },
      without: withServer("The view Aggregation counts how much cancels over all pixels, beside what chance would lose."),
    },
    {
      view: "filter",
      title: "Why not the average?",
      at: ".chain .sentence",
      state: (f) => ({ layer: mixing(f), aggregation: f.live ? "mean" : "" }),
      words: (f) => {
        if (!f.ready) return null;
        const { values, sum, whole } = f.here;
        const [count, share] = [values.length, sum / values.length];
        if (count === 1) return "With one channel sum and average are the same number.";
        const partly = whole ? "" : " (on this page)";
        return `The sum of these ${count} values${partly} is **${format(sum)}**, their mean **${format(share)}**: the sum divided by ${count}. Divide all weights by ${count} and add: the same map. So whatever one can learn, the other can.`;
      },
    },
    {
      view: "filter",
      title: "Why not add 17?",
      at: ".chain [data-line=output], .chain .step .operation",
      state: (f) => ({ layer: mixing(f) }),
      words: (f) => {
        if (!f.ready) return null;
        const { bias, aggregated, output } = f.here;
        const what = "A fixed number added at every pixel is a **bias**: it moves the whole map, whatever the picture shows.";
        if (f.here.separate) return `${what} ${apart(f)}`;
        if (bias === null) return `${what} This layer has none; a normalization after it shifts its maps instead, if there is one. No number can take the place of the sum: 17 knows nothing of the channels.`;
        return `${what} This filter has one: ${format(aggregated)} becomes **${format(output)}** with **${format(bias)}**. It comes after the sum and cannot replace it: 17 knows nothing of the channels.`;
      },
    },
    {
      view: "aggregation",
      title: "See every other way",
      at: ".combining-cards .combining-card:nth-child(2)",
      state: (f) => ({ layer: mixing(f) }),
      words: ({ layer }) =>
        `The same kernels under every aggregation, and what the network then says. The weights were trained for **${layer.aggregation}**, so another way mostly hurts here. To compare fairly, train with it: that is the argument \`aggregation=\` of the layer.`,
      without: withServer(`The view Aggregation shows ${many(1, "filter")} under every aggregation, and what the network then answers.`),
    },
  ],
};
