/** Kernels written by hand: read from text, turned, scaled, resized, put one after the other. */

/**
 * @typedef {{rows: number, columns: number, values: number[]}} Kernel row by row
 */

export const LARGEST_KERNEL = 11;
const LARGEST_NUMBER = 1e6;
const DIGITS = 6;
const NUMBER = /[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+−]?\d+)?(?:\s*\/\s*\d+\.?\d*)?/g;

/**
 * A number as a person writes it: "2", "−0.5", "0,5", "1/9", "1e-3".
 * @param {string} text
 * @returns {number | null} null where the text is no number that a kernel can hold
 */
export function parseNumber(text) {
  const plain = text.trim().replace(/−/g, "-").replace(/,/g, ".");
  if (!new RegExp(`^(?:${NUMBER.source})$`).test(plain)) return null;
  const [above, below = 1] = plain.split("/").map(Number);
  const value = above / below;
  return Number.isFinite(value) && Math.abs(value) <= LARGEST_NUMBER ? value : null;
}

/**
 * A matrix as it comes from a spreadsheet, from NumPy, from MATLAB or from a hand: rows by lines, semicolons or brackets.
 * A single row of n · n numbers is a square.
 * @param {string} text
 * @returns {{kernel: Kernel} | {problem: string} | null} null where the text is not a matrix at all, but one number or none
 */
export function parseMatrix(text) {
  const lines = text.split(/[\n\r;\]]+/).map((line) => line.match(NUMBER)?.map(parseNumber) ?? []);
  const found = lines.filter((line) => line.length > 0);
  if (found.flat().length < 2) return null;
  if (found.flat().includes(null)) return { problem: "One of the pasted numbers is too large for a kernel." };
  const side = Math.sqrt(found[0].length);
  const square = found.length === 1 && Number.isInteger(side);
  const [rows, columns] = square ? [side, side] : [found.length, found[0].length];
  if (found.some((line) => line.length !== found[0].length))
    return { problem: `The pasted rows have ${listed(found.map(({ length }) => length))} numbers: they must be equally long.` };
  if (Math.max(rows, columns) > LARGEST_KERNEL)
    return { problem: `A pasted kernel of ${rows} × ${columns} is too large: at most ${LARGEST_KERNEL} × ${LARGEST_KERNEL}.` };
  return { kernel: { rows, columns, values: found.flat() } };
}

function listed(counts) {
  const different = [...new Set(counts)];
  return `${different.slice(0, -1).join(", ")} and ${different.at(-1)}`;
}

/**
 * A number without the dust of binary arithmetic.
 * @param {number} value
 */
export function tidy(value) {
  return Number(Math.min(Math.max(value, -LARGEST_NUMBER), LARGEST_NUMBER).toPrecision(DIGITS)) || 0;
}

/** By how much one key press changes a number: whole steps among whole numbers. */
export function stepOf(values) {
  return values.every(Number.isInteger) ? 1 : 0.1;
}

/** A kernel turned by half a turn: what mathematicians slide when they say convolution. */
export function flip({ rows, columns, values }) {
  return { rows, columns, values: [...values].reverse() };
}

/** Rows become columns. */
export function transpose({ rows, columns, values }) {
  const turned = Array.from(values, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)]);
  return { rows: columns, columns: rows, values: turned };
}

/** The same shape, so large that the numbers add up to 1; where they add up to 0, that their magnitudes do. */
export function normalise({ rows, columns, values }) {
  const sum = values.reduce((total, value) => total + value, 0);
  const total = Math.abs(sum) > 1e-9 ? sum : values.reduce((size, value) => size + Math.abs(value), 0);
  return { rows, columns, values: total ? values.map((value) => tidy(value / total)) : values };
}

/** A kernel of zeros. */
export function zero({ rows, columns }) {
  return { rows, columns, values: new Array(rows * columns).fill(0) };
}

/**
 * Random numbers from −1 to 1 in steps of a tenth.
 * @param {Kernel} kernel of which the size is kept
 * @param {() => number} draw uniform in 0 … 1
 */
export function randomise({ rows, columns }, draw = Math.random) {
  return { rows, columns, values: Array.from({ length: rows * columns }, () => Math.round(draw() * 20 - 10) / 10 || 0) };
}

/** A kernel in another size: its middle stays the middle, zeros come in around it or numbers fall away. */
export function resize({ rows, columns, values }, [height, width]) {
  const [down, right] = [Math.floor((height - rows) / 2), Math.floor((width - columns) / 2)];
  const resized = Array.from({ length: height * width }, (_, at) => {
    const [y, x] = [Math.floor(at / width) - down, (at % width) - right];
    return y < 0 || x < 0 || y >= rows || x >= columns ? 0 : values[y * columns + x];
  });
  return { rows: height, columns: width, values: resized };
}

/**
 * The one kernel that does what two do one after the other, with nothing in between.
 * @param {Kernel} first
 * @param {Kernel} second
 * @returns {Kernel}
 */
export function compose(first, second) {
  const [rows, columns] = [first.rows + second.rows - 1, first.columns + second.columns - 1];
  const values = new Array(rows * columns).fill(0);
  first.values.forEach((a, i) => {
    second.values.forEach((b, j) => {
      const y = Math.floor(i / first.columns) + Math.floor(j / second.columns);
      const x = (i % first.columns) + (j % second.columns);
      values[y * columns + x] += a * b;
    });
  });
  return { rows, columns, values };
}
