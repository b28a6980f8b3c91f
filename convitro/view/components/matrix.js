/** A small matrix of numbers as coloured cells, with the numbers in them where they fit. */

import { useSignalEffect } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { cellColours } from "../numbers/colour.js";
import { formatCell, formatShort } from "../numbers/format.js";
import { theme } from "../state/store.js";
import { html } from "./html.js";

const LARGEST_WITH_NUMBERS = 3; // in a row's small cells
const LARGEST_IN_FULL = 7; // in a dialog's large cells

/**
 * @typedef {{values: ArrayLike<number>, scale: import("../numbers/colour.js").Scale, outside?: Uint8Array}} Content
 * @param {{read: () => Content | null, size: [number, number], label: string, large?: boolean}} props `read` is asked
 *   again whenever a signal that it reads changes, and says null where nothing should change; cells are then written
 *   directly, because hundreds of them follow the pointer. `outside` marks what padding supplied
 */
export function Matrix({ read, size: [rows, columns], label, large = false }) {
  const matrix = useRef(null);
  const side = Math.max(rows, columns);
  const newest = useRef(read);
  newest.current = read;
  useSignalEffect(() => {
    const content = newest.current();
    if (content) fill(matrix.current.children, content, { theme: theme.value, write: writer(side, large) });
  });
  const cells = useMemo(
    () => Array.from({ length: rows * columns }, (_, at) => html`<span key=${at} class="cell"></span>`),
    [rows, columns], // the same cells again are skipped when the rows around them change
  );
  const track = `calc((100% - ${side - 1}px) / ${side})`; // of a known size: nothing is measured when a number changes
  const style = { gridTemplate: `repeat(${rows}, ${track}) / repeat(${columns}, ${track})`, "--side": side };
  return html`<span ref=${matrix} class="matrix" role="img" aria-label=${label} style=${style}>${cells}</span>`;
}

/** How numbers are written in the cells: in full, short, or not at all. */
function writer(side, large) {
  if (large && side <= LARGEST_IN_FULL) return formatCell;
  return large || side <= LARGEST_WITH_NUMBERS ? formatShort : () => "";
}

/** Write what has changed and nothing else: for the browser even the same text again is new text. */
function fill(cells, { values, scale, outside }, { theme: colours, write }) {
  for (let at = 0; at < values.length; at += 1) {
    const cell = cells[at];
    const value = values[at];
    const beyond = outside?.[at] === 1;
    const skipped = Number.isNaN(value) && beyond;
    const { background, text } = cellColours(skipped ? 0 : value, scale, colours);
    const words = skipped ? "" : write(value, scale.limit);
    const { shown = (cell.shown = { text: cell.appendChild(document.createTextNode("")) }) } = cell;
    if (shown.words !== words) shown.text.data = shown.words = words;
    if (shown.background !== background) cell.style.backgroundColor = shown.background = background;
    if (shown.colour !== text) cell.style.color = shown.colour = text;
    if (shown.beyond !== beyond) cell.dataset.outside = shown.beyond = beyond;
  }
}
