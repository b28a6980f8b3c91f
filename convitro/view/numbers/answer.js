/** How scores become shares, written out, and which parts of a score weigh most: from the document of the answer. */

import { format, formatShare } from "./format.js";

const MOST_TERMS = 4;

/**
 * One row for each class, the largest share first.
 * @param {object} document of the answer
 * @returns {{index: number, name: string, share: number, score: number | null, power: number | null}[]}
 */
export function classRows({ classes, arrays }) {
  const at = (name, place) => (arrays[name] ? arrays[name].values[place] : null);
  return classes.map(({ index, name }, place) => ({
    index,
    name,
    share: at("shares", place),
    score: at("scores", place),
    power: at("powers", place),
  }));
}

/**
 * The share of a class written out.
 * @param {object} document of the answer
 * @param {ReturnType<typeof classRows>[number]} row
 * @returns {{text: string, result: string}[]} line by line
 */
export function shareLines(document, row) {
  const { ending, largest, sum, count } = document;
  const result = `= ${formatShare(row.share)}`;
  if (row.score === null) return [{ text: `share of ${row.name}, as the network returns it`, result }];
  if (ending === "sigmoid" || ending === "one") {
    return [{ text: `1 / (1 + e^(${format(-row.score)}))`, result }];
  }
  const powers = [...document.arrays.powers.values].slice(0, MOST_TERMS).map(format);
  const more = count > powers.length ? ` + … ${count - powers.length} more` : "";
  return [
    { text: `e^(score − largest) = e^(${format(row.score)} − ${bracketed(largest)})`, result: `= ${format(row.power)}` },
    { text: `sum over all ${count} classes: ${powers.join(" + ")}${more}`, result: `= ${format(sum)}` },
    { text: `share of ${row.name} = ${format(row.power)} / ${format(sum)}`, result },
  ];
}

/** A number after a sign. */
function bracketed(value) {
  return value < 0 ? `(${format(value)})` : format(value);
}

/**
 * What the parts of a score add, or what makes one score larger than another.
 * @param {object} document of the answer
 * @param {number} of index of the class
 * @param {number | null} against index of another class, or null
 * @returns {{values: Float64Array, bias: number, rest: number, total: number} | null} null where a class is not taken apart
 */
export function partsOf({ parts, arrays }, of, against) {
  const row = parts ? parts.rows.indexOf(of) : -1;
  const other = against === null ? -1 : (parts?.rows.indexOf(against) ?? -1);
  if (row < 0 || (against !== null && other < 0)) return null;
  const contributions = arrays.contributions;
  const count = contributions.shape[1];
  const less = (value, another) => value - (other < 0 ? 0 : another);
  const values = Float64Array.from({ length: count }, (_, at) =>
    less(contributions.values[row * count + at], contributions.values[other * count + at]),
  );
  const bias = less(parts.biases[row], parts.biases[other]);
  const rest = less(parts.rest[row], parts.rest[other]);
  return { values, bias, rest, total: values.reduce((sum, value) => sum + value, rest) + bias };
}

/**
 * The parts that add most and those that take away most.
 * @param {ArrayLike<number>} values
 * @param {number} most of either kind
 * @returns {{up: number[], down: number[], plus: number, minus: number, ups: number, downs: number}} places of the strongest, and the sums and counts of all
 */
export function strongestParts(values, most) {
  const order = Array.from(values, (_, at) => at).sort((a, b) => values[b] - values[a]);
  const ups = order.filter((at) => values[at] > 0);
  const downs = order.filter((at) => values[at] < 0).reverse();
  const sum = (places) => places.reduce((total, at) => total + values[at], 0);
  return { up: ups.slice(0, most), down: downs.slice(0, most), plus: sum(ups), minus: sum(downs), ups: ups.length, downs: downs.length };
}

/**
 * The filter that made a map.
 * @param {{layer: string, first: number, count: number, filter: number, exact: boolean}[]} origins
 * @param {number} map
 * @returns {{layer: string, filter: number, exact: boolean} | null}
 */
export function filterOf(origins, map) {
  const run = origins.find(({ first, count }) => map >= first && map < first + count);
  return run ? { layer: run.layer, filter: run.filter + map - run.first, exact: run.exact } : null;
}
