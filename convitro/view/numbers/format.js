/** Numbers as text: one rule for the whole page, so that the same value never reads differently in two places. */

const MINUS = "\u2212";

/**
 * A number to about three digits: "0.482", "−12.3", "40404", "3.1e−5".
 * @param {number | null | undefined} value
 * @returns {string}
 */
export function format(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "NaN";
  const size = Math.abs(value);
  if (size === Infinity) return value < 0 ? `${MINUS}∞` : "∞";
  if (Number.isInteger(value) && size < 1e6) return withMinus(String(value));
  if (size >= 1e6 || size < 1e-3) return exponential(value);
  const digits = size >= 100 ? 1 : size >= 10 ? 2 : 3;
  return withMinus(value.toFixed(digits));
}

/**
 * A number for a small cell, at most five characters: "0.48", "−1.2", "10000", "2e5"; among small ones "−.048".
 * @param {number} value
 * @param {number} [limit] the largest magnitude among its neighbours, which share their digits after the point
 * @returns {string}
 */
export function formatShort(value, limit = Math.abs(value)) {
  if (!Number.isFinite(value)) return format(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e5) return withMinus(String(value));
  if (size >= 1e5 || limit < 0.00995) return withMinus(value.toExponential(0).replace("e+", "e"));
  if (limit < 0.0995) return nearZero(value.toFixed(3).replace("0.", "."));
  return nearZero(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2));
}

/** "0.00" says less than that something is there. */
function nearZero(text) {
  return Number(text) === 0 ? "≈0" : withMinus(text);
}

/**
 * A number for a large cell: as `format`, but a tiny one with one digit, "−8e−4".
 * @param {number} value
 * @returns {string}
 */
export function formatCell(value) {
  const tiny = value !== 0 && Math.abs(value) < 1e-3;
  return tiny ? withMinus(value.toExponential(0)) : format(value);
}

/**
 * A number as a term of a sum, sign and all: "+ 0.482", "− 12.3".
 * @param {number} value
 * @returns {string}
 */
export function formatTerm(value) {
  return value < 0 ? `${MINUS} ${format(-value)}` : `+ ${format(value)}`;
}

/**
 * A count with thin spaces between thousands: "1 792".
 * @param {number} count
 * @returns {string}
 */
export function formatCount(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/**
 * A share of one as per cent: "97 %", "0.3 %".
 * @param {number} share
 * @returns {string}
 */
export function formatShare(share) {
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return "< 0.1\u202f%";
  const digits = percent > 0 && percent < 0.995 ? 2 : percent < 9.95 ? 1 : 0; // a thousand classes share 100 %
  return `${percent.toFixed(digits)}\u202f%`;
}

/** @param {number} value */
function exponential(value) {
  const [mantissa, exponent] = value.toExponential(2).split("e");
  return withMinus(`${mantissa}e${exponent.replace("+", "")}`);
}

/** @param {string} text */
function withMinus(text) {
  return text.replace(/-/g, MINUS);
}
