/** Filters to begin with: each a whole setting, with a sentence that says what to look at. */

const square = (side, values) => ({ rows: side, columns: side, values });

/** What a setting is where a preset does not say otherwise. */
const PLAIN = {
  from: "picture",
  side: 9, // pixels of a made picture
  grey: true,
  kernels: [],
  stride: 1,
  padding: "same",
  dilation: 1,
  aggregation: "sum",
  bias: 0,
  activation: "none",
  pool: 0,
  stack: 0, // so many layers against one large kernel; 0 is the one filter alone
  between: false, // whether ReLU stands between the layers of a stack
  width: 64, // channels, for the costs of a stack
  look: "signed", // colours of the result: "signed" around 0, or "grey" as a picture
  pixel: null,
};

const SOBEL = square(3, [-1, 0, 1, -2, 0, 2, -1, 0, 1]);
const GAUSS = square(3, [1, 2, 1, 2, 4, 2, 1, 2, 1]);
const BINOMIAL = [1, 4, 6, 4, 1];
const ONES = square(2, [1, 1, 1, 1]);
const one = (value) => square(1, [value]);

/** @type {{id: string, title: string, words: string, setting: object}[]} */
export const PRESETS = [
  {
    id: "edges",
    title: "Edges",
    words:
      "Left of its middle the kernel subtracts, right of it it adds: where both sides are equal the result is 0, and where the picture gets brighter or darker from left to right there is an edge.",
    setting: { kernels: [SOBEL], padding: "valid" },
  },
  {
    id: "outlines",
    title: "Outlines",
    words:
      "Eight times the middle, less its eight neighbours. On an even area that is 0; what differs from its surroundings stays, whatever its direction.",
    setting: { kernels: [square(3, [-1, -1, -1, -1, 8, -1, -1, -1, -1])], padding: "valid" },
  },
  {
    id: "blur",
    title: "Blur",
    words:
      "Every pixel becomes the mean of its 5 × 5 neighbours, the near ones counting more. The numbers add up to 1, so the picture keeps its brightness.",
    setting: { kernels: [square(5, BINOMIAL.flatMap((a) => BINOMIAL.map((b) => (a * b) / 256)))], look: "grey" },
  },
  {
    id: "sharpen",
    title: "Sharpen",
    words:
      "Five times the middle, less its four neighbours: the picture itself plus its outlines. The numbers add up to 1, so even areas stay as they are.",
    setting: { kernels: [square(3, [0, -1, 0, -1, 5, -1, 0, -1, 0])], look: "grey" },
  },
  {
    id: "same",
    title: "No change",
    words: "A 1 in the middle and 0 around it: every pixel is itself. Change any other number and watch what joins in.",
    setting: { kernels: [square(3, [0, 0, 0, 0, 1, 0, 0, 0, 0])], look: "grey" },
  },
  {
    id: "half",
    title: "Half the size",
    words:
      "With a stride of 2 the kernel skips every second place, ReLU removes what is negative, and max-pooling keeps one of every four pixels: a fourth of each side remains.",
    setting: { kernels: [SOBEL], padding: "valid", stride: 2, activation: "relu", pool: 2 },
  },
  {
    id: "wide",
    title: "Wide view",
    words:
      "With a dilation of 3 the nine numbers stand three pixels apart: the kernel sees 7 × 7 pixels and still costs nine products.",
    setting: { kernels: [SOBEL], dilation: 3, padding: "valid" },
  },
  {
    id: "red",
    title: "Redness",
    words:
      "A kernel of one number for each channel: red counts 1, green and blue count −½. Added up, grey gives 0 and only what is red is left. So a filter combines channels.",
    setting: { grey: false, kernels: [one(1), one(-0.5), one(-0.5)] },
  },
  {
    id: "hundreds",
    title: "40404",
    words:
      "Red is 1 everywhere, green 100, blue 10000. Each kernel adds four pixels: 4, 400 and 40000. Their sum is 40404, so the channels are added, and every digit shows which one it came from.",
    setting: { from: "hundreds", grey: false, kernels: [ONES], padding: "valid", pixel: { y: 0, x: 0 } },
  },
  {
    id: "shift",
    title: "Even kernel",
    words:
      "A kernel of 2 × 2 has no middle pixel. Though the padding is “same”, the dot moves half a pixel up and left: padding can only be added on one side. So kernels are nearly always odd.",
    setting: { from: "dot", kernels: [ONES] },
  },
  {
    id: "two",
    title: "Two 3×3, one 5×5",
    words:
      "Two kernels of 3 × 3 one after the other see 5 × 5 pixels. With nothing in between, one kernel of 5 × 5 does exactly the same, at a higher price; with ReLU in between, the two can do what no single one can.",
    setting: { kernels: [GAUSS], stack: 2, look: "grey" },
  },
  {
    id: "three",
    title: "Three 3×3, one 7×7",
    words:
      "Three kernels of 3 × 3 see as far as one of 7 × 7, for little more than half of the parameters. So deep networks are built of small kernels.",
    setting: { kernels: [GAUSS], stack: 3, look: "grey" },
  },
].map(({ setting, ...facts }) => ({ ...facts, setting: { ...PLAIN, ...setting } }));

/** The preset of a name; the first for an unknown one. */
export function presetOf(id) {
  return PRESETS.find((each) => each.id === id) ?? PRESETS[0];
}
