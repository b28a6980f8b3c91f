/** How do three channels become 32 maps, is each of them pooled, what did they learn, and is the network healthy? */

import { format, formatCount } from "../../numbers/format.js";
import { mapsOf } from "../../numbers/geometry.js";
import { apart, many, pooled, withServer } from "./speech.js";

const firstLayer = ({ layers }) => ({ layer: layers[0]?.name });

export const NETWORK = {
  id: "network",
  title: "From 3 channels to 32 maps",
  question:
    "How is an image with 3 channels mapped into these 32 layers? Is the max-pool applied over all the maps at once, or to each independently? Why 32? Why do different filters get tuned to a specific pattern, and how do I see whether my network works?",
  seen: "A whole block taken apart, the pixels that win the pooling, what a filter looks for, and a look over the network’s health.",
  steps: [
    {
      view: "network",
      title: "One filter, one map",
      at: ".network-row:has([aria-current=true])",
      state: firstLayer,
      words: ({ layer }) => {
        const { in_channels: channels, out_channels: filters, channels_per_filter: each, name } = layer;
        const start = `In the first layer, **${name}**, ${many(channels, "channel")} of the picture ${channels === 1 ? "becomes" : "become"}`;
        const maps = mapsOf(layer);
        if (maps !== filters) return `${start} **${maps}** maps: each of its **${filters}** filters has ${many(each, "kernel")}, and what they make is kept apart, ${filters} × ${each} = **${formatCount(maps)}**.`;
        return `${start} **${filters}** maps because it has **${filters}** filters. Each of them has ${many(each, "kernel")}: ${filters} × ${each} = **${formatCount(filters * each)}** kernels in all.`;
      },
    },
    {
      view: "filter",
      title: "A block, taken apart",
      at: ".chain .sentence",
      state: firstLayer,
      words: (f) => {
        if (!f.ready) return null;
        if (f.here.separate) return apart(f);
        const { pixel, aggregated, output, activated } = f.here;
        const stages = f.layer.stages.filter(({ kind }) => kind !== "pool");
        const then = stages.length ? ` then ${stages.map(({ kind }) => kind).join(" and ")}: **${format(activated)}**.` : "";
        return `Row ${pixel.y}, column ${pixel.x} of filter ${f.filter}: kernels and aggregation give **${format(aggregated)}**, with the bias **${format(output)}**,${then || " and that is it."} The same happens at every pixel, and in each of the ${f.layer.out_channels} filters.`;
      },
    },
    {
      view: "filter",
      title: "Pooling, map by map",
      at: ".chain [data-result=pooled], .chain .result-maps",
      state: (f) => ({ layer: pooled(f) }),
      words: ({ layer }) => {
        const { pool, output_size: size } = layer;
        const maps = mapsOf(layer);
        if (!pool) return "No layer of this network is pooled: its maps get smaller by a stride, or not at all. Where there is pooling, it works on each map alone and never mixes two of them.";
        const way = pool.mode === "max" ? "keeps the largest pixel" : "keeps the mean";
        return `Pooling ${way} of each ${pool.kernel_size.join(" × ")} window, in **this** map alone: ${size.join(" × ")} become ${pool.output_size.join(" × ")}. It never looks at another map. **${maps}** maps go in, **${maps}** come out.${pool.mode === "max" ? " Dots mark the winners." : ""}`;
      },
    },
    {
      view: "filter",
      title: "Why so many, why all different?",
      at: ".filter-strip",
      state: firstLayer,
      words: ({ layer }) =>
        `Their number is the designer’s choice: more filters can notice more, and cost more (here **${formatCount(layer.parameters)}** parameters). They differ because training began with different random weights: each went its own way from there. Equal ones would have stayed equal for ever.`,
    },
    {
      view: "sees",
      title: "What did it learn?",
      at: ".projected",
      state: (f) => ({ layer: f.layers.at(-1)?.name }),
      words: ({ layer, filter }) =>
        `Filter **${filter}** of the last layer, **${layer.name}**. Its activity is sent back to the picture through the switches: what stays visible made it active. Grey means nothing came back. Deeper layers answer to larger and richer patterns.`,
      without: withServer("The view What it sees sends a filter’s activity back to the picture: the pixels that made it."),
    },
    {
      view: "sees",
      title: "What excites it most",
      at: ".patches",
      state: (f) => ({ layer: f.layers.at(-1)?.name }),
      words: ({ patches }) => {
        if (!patches) return null;
        const { patches: found, seen } = patches;
        if (!found.length) return `Of **${seen}** images none makes this filter active at all: it may be dead. The next step looks at that.`;
        return `The **${found.length}** pieces of **${seen}** images to which this filter answers most, the first with **${format(found[0].value)}**. What do they have in common? If you can say it in one word, the filter has learned something that you can name.`;
      },
      without: withServer("Below it stand the pieces of many images that excite the filter most."),
    },
    {
      view: "health",
      title: "Is it healthy?",
      at: ".health-view > h2",
      words: ({ health }) => {
        if (!health) return null;
        const { findings, images } = health;
        const data = `Looked over on **${many(images, "image")}**`;
        if (!findings.length) return `${data}, nothing was found: no filter is dead, none looks like noise, none repeats another. The table shows every layer’s numbers, so that you can see how clearly.`;
        const kinds = [...new Set(findings.map(({ kind }) => kind))].join(", ");
        return `${data}, **${many(findings.length, "thing")}** ${findings.length === 1 ? "is" : "are"} worth a look: ${kinds}. Each has its number, the threshold that it passed, and something to try. A click opens the filter.`;
      },
      without: withServer("The view Health looks for dead, noisy and redundant filters on some hundred images."),
    },
    {
      view: "training",
      title: "Watch them grow",
      at: "main h2, main",
      words: () => "Filters begin as noise and take shape step by step. Where a training run is open, this view shows its curves and its filters as they change: whether it still learns, and whether it only learns by heart.",
      without: withServer("The view Training follows a training run, filter by filter."),
    },
  ],
};
