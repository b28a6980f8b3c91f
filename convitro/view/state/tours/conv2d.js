/** What does Conv2D do with the channels, how can one be sure, and can it be controlled? */

import { format } from "../../numbers/format.js";
import { added, apart, many, mixing, withServer } from "./speech.js";

export const CONV2D = {
  id: "conv2d",
  title: "1, 100, 10000: 40404",
  question:
    "An input with c channels gives an output with as many channels as filters, regardless of c. What is this aggregation operator? Is it a summation across channels? How can I know for sure, and can I control it?",
  seen: "A picture made so that every digit of the result tells which channel it came from, then the switch that changes how they are combined.",
  steps: [
    {
      view: "play",
      title: "A picture that tells",
      at: ".bench-picture",
      state: () => ({ play: "hundreds" }),
      words: () => "Three by three pixels: red is **1** everywhere, green **100**, blue **10000**. Whatever a layer does with its channels, the digits of the result will give it away.",
    },
    {
      view: "play",
      title: "Two dimensions, three kernels",
      at: ".editor",
      state: () => ({ play: "hundreds" }),
      words: ({ play }) =>
        `The kernel is two by two ones. “2D” names the ways in which it slides, not its depth: there is one kernel for each channel. **${play.channels} × 4** weights and one bias are **${play.parameters}** parameters.`,
    },
    {
      view: "play",
      title: "The digits say: a sum",
      at: ".bench-result",
      state: () => ({ play: "hundreds" }),
      words: ({ play }) =>
        `Each kernel adds up four pixels: **${play.values.map(format).join(", ")}**. The result is **${format(play.result)}**: all channels are in it, each in its own digits, so they were added. A maximum would be 40000, a mean 13468.`,
    },
    {
      view: "play",
      title: "Written out",
      at: ".play-chain .sentence",
      state: () => ({ play: "hundreds" }),
      words: ({ play }) =>
        `The arithmetic of this pixel: **${added(play.values)} = ${format(play.result)}**. Keras and PyTorch give the same number for this picture and these weights; the documentation runs both. Change a kernel and do the sum yourself.`,
    },
    {
      view: "play",
      title: "Can I control it?",
      at: ".settings [role=radiogroup][aria-label=Aggregation]",
      state: () => ({ play: "hundreds*omean" }),
      words: ({ play }) =>
        `Yes. Now the partial maps are combined by **${play.aggregation}**, and the pixel is **${format(play.result)}**. Choose another one here. In code it is one argument: \`Conv2d(3, 1, 2, aggregation="mean")\`, and every way can be trained.`,
    },
    {
      view: "filter",
      title: "How can I be sure?",
      at: ".chain .sentence",
      state: (f) => ({ layer: mixing(f) }),
      words: (f) => {
        if (!f.ready) return null;
        const { values, aggregated, aggregation, whole } = f.here;
        if (f.here.separate) return apart(f);
        const line = aggregation === "sum" ? `**${added(values)} = ${format(aggregated)}**` : `**${aggregation}** gives **${format(aggregated)}**`;
        return `By adding up yourself. This is the open network, ${f.name}: ${many(f.layer.channels_per_filter, "channel")}, one filter, one pixel. ${whole ? "" : "With the channels that are not listed: "}${line}. Every number is the library’s own.`;
      },
    },
    {
      view: "aggregation",
      title: "And in a trained network?",
      at: ".combining-cards .combining-card:nth-child(1)",
      state: (f) => ({ layer: mixing(f) }),
      words: ({ filter, layer }) =>
        `Filter **${filter}** of layer **${layer.name}** was trained with **${layer.aggregation}**: the first card. The others combine the same partial maps another way; below each map stands what the network then answers.`,
      without: withServer("The view Aggregation combines the channels of a trained filter in every way, side by side."),
    },
  ],
};
