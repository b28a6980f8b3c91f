/** Small pictures of which every number is known, and the open picture as numbers from 0 to 1. */

/**
 * @typedef {{size: [number, number], channels: Float32Array[], names: string[], bytes: {values: Uint8Array, shape: number[]}}} Sample
 * `bytes` is what it looks like; the channels are what the kernel reads
 */

const SIDE = 9; // of a made picture, unless another is asked for
const HUNDREDS = [1, 100, 10000];

/** Pictures of one channel and any size, by the rule of their pixels, 0 … 1. */
const RULES = {
  edge: (_, x, side) => (x < Math.floor(side / 2) ? 0.2 : 0.8),
  dot: (y, x, side) => (y === Math.floor(side / 2) && x === y ? 1 : 0),
  ramp: (_, x, side) => x / Math.max(side - 1, 1),
};

/** The pictures that can be made in any size. */
export const RESIZABLE = Object.keys(RULES);

/** The pictures to choose from; "picture" is the open one. */
export const SAMPLES = ["picture", ...RESIZABLE, "hundreds"];

/**
 * @param {string} name one of SAMPLES
 * @param {boolean} grey one channel, the mean of three
 * @param {{values: Uint8Array, shape: number[]}} picture the open picture, (H, W, C)
 * @param {number} [side] pixels a side, of a picture that can be made in any size
 * @returns {Sample}
 */
export function sample(name, grey, picture, side = SIDE) {
  if (name === "picture") return ofPicture(picture, grey);
  return name === "hundreds" ? hundreds(grey) : byRule(RULES[name], grey, side);
}

function ofPicture({ values, shape: [height, width, count] }, grey) {
  const channels = Array.from({ length: count }, (_, channel) =>
    Float32Array.from({ length: height * width }, (_, at) => values[at * count + channel] / 255),
  );
  if (!grey || count === 1) return named([height, width], channels, { values, shape: [height, width, count] });
  const mean = channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / count);
  return named([height, width], [mean], asBytes(mean, [height, width], 255));
}

function byRule(rule, grey, side) {
  const values = Float32Array.from({ length: side * side }, (_, at) => rule(Math.floor(at / side), at % side, side));
  return named([side, side], grey ? [values] : [values, values, values], asBytes(values, [side, side], 255));
}

/** Three by three pixels of one colour: 1, 100 and 10000, whose sums can be read digit by digit. */
function hundreds(grey) {
  const flat = (value) => new Float32Array(9).fill(value);
  if (grey) return named([3, 3], [flat(HUNDREDS[1])], asBytes(flat(0.6), [3, 3], 255));
  const look = HUNDREDS.map((value) => 51 * (1 + Math.log10(value))); // each hundredfold step looks equally large
  const values = Uint8Array.from({ length: 27 }, (_, at) => look[at % 3]);
  return named([3, 3], HUNDREDS.map(flat), { values, shape: [3, 3, 3] });
}

function named(size, channels, bytes) {
  return { size, channels, names: channels.length === 3 ? ["red", "green", "blue"] : ["grey"], bytes };
}

function asBytes(values, [height, width], white) {
  return { values: Uint8Array.from(values, (value) => Math.round(value * white)), shape: [height, width, 1] };
}

/**
 * A sample made smaller by whole factors, each pixel the mean of a block.
 * @param {Sample} picture
 * @param {number} most the longest side it may have
 * @returns {Sample}
 */
export function smaller(picture, most) {
  const [height, width] = picture.size;
  const by = Math.ceil(Math.max(height, width) / most);
  if (by === 1) return picture;
  const [rows, columns] = [Math.max(Math.floor(height / by), 1), Math.max(Math.floor(width / by), 1)];
  const shrink = (channel) =>
    Float32Array.from({ length: rows * columns }, (_, at) => {
      const corner = Math.floor(at / columns) * by * width + (at % columns) * by;
      let sum = 0;
      for (let y = 0; y < by; y += 1) for (let x = 0; x < by; x += 1) sum += channel[corner + y * width + x] ?? 0;
      return sum / by / by;
    });
  const channels = picture.channels.map(shrink);
  return named([rows, columns], channels, asBytes(channels[0], [rows, columns], 255));
}
