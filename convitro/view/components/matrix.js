/** A small matrix of numbers as coloured cells, with the numbers in them where they fit. */

import { cellColours } from "../numbers/colour.js";
import { format, formatShort } from "../numbers/format.js";
import { theme } from "../state/store.js";
import { html } from "./html.js";

const LARGEST_WITH_NUMBERS = 3; // in a row's small cells
const LARGEST_IN_FULL = 7; // in a dialog's large cells

/**
 * @param {{
 *   values: ArrayLike<number>, size: [number, number], scale: import("../numbers/colour.js").Scale, label: string,
 *   outside?: Uint8Array, numbers?: boolean
 * }} props `outside` marks cells that padding supplied; `numbers`: all digits, the cells are large
 */
export function Matrix({ values, size: [rows, columns], scale, label, outside, numbers }) {
  const side = Math.max(rows, columns);
  const withNumbers = numbers || side <= LARGEST_WITH_NUMBERS;
  const write = numbers && side <= LARGEST_IN_FULL ? format : (value) => formatShort(value, scale.limit);
  const cells = Array.from(values, (value, at) => {
    const skipped = Number.isNaN(value) && outside?.[at];
    const { background, text } = cellColours(skipped ? 0 : value, scale, theme.value);
    return html`<span
      class="cell"
      data-outside=${outside?.[at] === 1}
      style=${{ backgroundColor: background, color: text }}
      title=${skipped ? "outside the image" : format(value)}
    >${withNumbers && (skipped ? "" : write(value))}</span>`;
  });
  const style = { gridTemplateColumns: `repeat(${columns}, 1fr)`, "--side": side };
  return html`<span class="matrix" role="img" aria-label=${label} data-side=${side} style=${style}>${cells}</span>`;
}
