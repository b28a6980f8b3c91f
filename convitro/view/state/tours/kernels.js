/** What are kernels, filters and channels; why 3×3, why odd, what is 1×1 for? */

import { format, formatCount, formatShare } from "../../numbers/format.js";
import { many, mixing } from "./speech.js";

const SOBEL = "w3x3_-1_0_1_-2_0_2_-1_0_1";

export const KERNELS = {
  id: "kernels",
  title: "Why 3 × 3?",
  question:
    "What are kernels, filters and channels? Why don’t we use even kernels like 2×2 or 4×4? Why usually 3×3, and not 5×5 or 7×7? And what is a 1×1 kernel for, if it behaves like an identity?",
  seen: "The three words on the live page, an even kernel that moves the picture, small kernels against a large one, and a 1×1 that is no identity.",
  steps: [
    {
      view: "filter",
      title: "A kernel",
      at: ".chain .channel-row:first-child .column[data-column=kernel]",
      state: (f) => ({ layer: mixing(f) }),
      words: ({ layer }) => {
        const { kernel_size: [rows, columns], channels_per_filter: channels, out_channels: filters } = layer; // prettier-ignore
        return `A **channel** is one map that goes in. A **kernel** is ${rows} × ${columns} weights, for one channel. A **filter** is all its kernels together, here **${channels}**, and makes one map. The layer has **${filters}** filters, so it hands on ${filters} maps.`;
      },
    },
    {
      view: "play",
      title: "It slides",
      at: ".slide-bar",
      state: () => ({ play: "edges" }),
      words: () => "At each place the pixels under the kernel are multiplied by its numbers and added: one pixel of the result. Press **Slide the kernel** (or x) and watch it. This one subtracts on its left and adds on its right: it finds edges.",
    },
    {
      view: "play",
      title: "An even kernel has no middle",
      at: ".bench-result",
      state: () => ({ play: "shift" }),
      words: () => "One bright pixel in the middle, and a kernel of 2 × 2 ones. The result is as large as the picture, but the block stands half a pixel too far **up and left**. Layer after layer would push the picture away.",
    },
    {
      view: "play",
      title: "An odd one has",
      at: ".bench-result",
      state: () => ({ play: "shift*w3x3_1_1_1_1_1_1_1_1_1" }),
      words: () => "With 3 × 3 ones the block stays around its pixel: as much padding above as below, as much left as right. So odd kernels are the rule; the smallest odd one that sees a neighbour on every side is **3 × 3**.",
    },
    {
      view: "play",
      title: "Two small ones see as far",
      at: ".costs",
      state: () => ({ play: "two" }),
      words: ({ play: { stack } }) => {
        if (!stack) return null;
        return `Two layers of 3 × 3 see 5 × 5 pixels, as one layer of 5 × 5 does. With ${many(stack.width, "channel")} they need **${formatCount(stack.small)}** parameters instead of **${formatCount(stack.large)}**: **${formatShare(stack.small / stack.large)}**. With nothing in between, both give the same map.`;
      },
    },
    {
      view: "play",
      title: "… and can do more",
      at: ".verdict",
      state: () => ({ play: `two*${SOBEL}*r1` }),
      words: ({ play: { stack } }) => {
        if (!stack) return null;
        return `Now a ReLU stands between the two, as in a real network. The maps differ, by up to **${format(stack.differs)}**: two layers with a ReLU do what no single kernel can, whatever its size. Cheaper and able to do more: that is why 3 × 3.`;
      },
    },
    {
      view: "play",
      title: "And 7 × 7?",
      at: ".costs",
      state: () => ({ play: "three" }),
      words: ({ play: { stack } }) => {
        if (!stack) return null;
        return `Three layers of 3 × 3 see 7 × 7 pixels for **${formatShare(stack.small / stack.large)}** of its parameters. Large kernels still stand where a picture enters a network: there are few channels, so they cost little, and a wide view helps.`;
      },
    },
    {
      view: "play",
      title: "1 × 1 is no identity",
      at: ".play-chain .channel-row",
      state: () => ({ play: "red" }),
      words: ({ play: { channels } }) => {
        if (channels === 1) return "A 1 × 1 kernel sees one pixel. The open picture is grey, so here it only scales. With several channels it adds them pixel by pixel, each with its own weight: it **mixes channels**, and is an identity for one channel of weight 1 alone.";
        return "Each kernel is one number: red counts **1**, green and blue **−½**. So one filter makes one new map out of three channels, pixel by pixel. It sees no neighbour, but it **mixes channels**: only red areas stay. An identity would change nothing.";
      },
    },
    {
      view: "play",
      title: "What it is for",
      at: ".figures",
      state: () => ({ play: "red" }),
      words: ({ play: { channels, parameters } }) =>
        `A 1 × 1 layer changes how many channels there are, at the lowest price: **${many(channels, "weight")}** and a bias, **${parameters}** parameters, for one filter. From 256 maps to 64 takes 16 448 parameters; with 3 × 3 it would be 147 520.`,
    },
  ],
};
