/**
 * A setting of the view "Play" as a short text for the address, and back: the preset, then what differs from it, in
 * letters that need no escaping: "edges*s2*w3x3_-1_0_1_-2_0_2_-1_0_1".
 */

import { PADDING_WORDS } from "../numbers/geometry.js";
import { ACTIVATIONS, SIMPLE_AGGREGATIONS } from "../numbers/combine.js";
import { LARGEST_KERNEL, tidy } from "../numbers/kernels.js";
import { SAMPLES } from "../numbers/samples.js";
import { presetOf } from "./presets.js";

/** The largest numbers that the settings take. */
export const LIMITS = { side: 32, stride: 8, dilation: 8, padding: 16, pool: 4, stack: 3, width: 1024, bias: 1e6 };

const whole = (low, high) => ({
  write: String,
  read: (text) => (/^\d{1,4}$/.test(text) && Number(text) >= low && Number(text) <= high ? Number(text) : undefined),
});
const oneOf = (words) => ({ write: String, read: (text) => (words.includes(text) ? text : undefined) });
const flag = { write: (value) => (value ? "1" : "0"), read: (text) => ({ 0: false, 1: true })[text] };
const real = {
  write: (value) => String(tidy(value)).replace("+", ""),
  read: (text) => {
    const value = /^-?[\d.]+(e-?\d+)?$/.test(text) ? Number(text) : NaN;
    return Math.abs(value) <= LIMITS.bias ? value : undefined;
  },
};
const padding = {
  write: String,
  read: (text) => oneOf(PADDING_WORDS).read(text) ?? whole(0, LIMITS.padding).read(text),
};
const pixel = {
  write: (place) => (place ? `${place.y}_${place.x}` : "0"),
  read: (text) => {
    if (text === "0") return null;
    const found = /^(\d{1,5})_(\d{1,5})$/.exec(text);
    return found ? { y: Number(found[1]), x: Number(found[2]) } : undefined;
  },
};
const kernels = {
  write: (all) => all.map(writeKernel).join("__"),
  read: (text) => {
    const all = text.split("__").map(readKernel);
    const alike = all.every((one) => one && one.rows === all[0].rows && one.columns === all[0].columns);
    return alike && (all.length === 1 || all.length === 3) ? all : undefined;
  },
};

/** Each part of a setting: its letter in the address, and how it is written and read. */
const FIELDS = {
  from: ["i", oneOf(SAMPLES)],
  side: ["z", whole(1, LIMITS.side)],
  grey: ["g", flag],
  kernels: ["w", kernels],
  stride: ["s", whole(1, LIMITS.stride)],
  padding: ["p", padding],
  dilation: ["d", whole(1, LIMITS.dilation)],
  aggregation: ["o", oneOf(SIMPLE_AGGREGATIONS)],
  bias: ["b", real],
  activation: ["a", oneOf(ACTIVATIONS)],
  pool: ["m", whole(0, LIMITS.pool)],
  stack: ["n", whole(0, LIMITS.stack)],
  between: ["r", flag],
  width: ["c", whole(1, LIMITS.width)],
  look: ["l", oneOf(["signed", "grey"])],
  pixel: ["x", pixel],
};

function writeKernel({ rows, columns, values }) {
  return [`${rows}x${columns}`, ...values.map(real.write)].join("_");
}

function readKernel(text) {
  const [size, ...numbers] = text.split("_");
  const [, rows, columns] = (/^(\d{1,2})x(\d{1,2})$/.exec(size) ?? []).map(Number);
  const values = numbers.map(real.read);
  const fits = rows > 0 && columns > 0 && Math.max(rows, columns) <= LARGEST_KERNEL;
  return fits && values.length === rows * columns && !values.includes(undefined) ? { rows, columns, values } : null;
}

/**
 * @param {object} setting with the id of its `preset`
 * @returns {string}
 */
export function writeSetting(setting) {
  const plain = presetOf(setting.preset).setting;
  const parts = [setting.preset];
  for (const [name, [letter, { write }]] of Object.entries(FIELDS)) {
    const text = write(setting[name]);
    if (text !== write(plain[name])) parts.push(letter + text);
  }
  return parts.join("*");
}

/**
 * The setting of an address; what it does not name, or names wrongly, is the preset's.
 * @param {string | null} text
 */
export function readSetting(text) {
  const [id, ...parts] = (text ?? "").split("*");
  const preset = presetOf(id);
  const setting = { ...preset.setting, preset: preset.id };
  for (const [name, [letter, { read }]] of Object.entries(FIELDS)) {
    const part = parts.find((each) => each.startsWith(letter));
    const value = part === undefined ? undefined : read(part.slice(1));
    if (value !== undefined) setting[name] = value;
  }
  return setting;
}
