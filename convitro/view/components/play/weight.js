/** One number of the kernel: a cell to type in, with its colour. */

import { useEffect, useRef, useState } from "preact/hooks";
import { cellColours } from "../../numbers/colour.js";
import { formatCell, formatShort } from "../../numbers/format.js";
import { parseNumber, stepOf } from "../../numbers/kernels.js";
import { complaint, openKernel, setWeight } from "../../state/play.js";
import { theme } from "../../state/store.js";
import { html } from "../html.js";

const DRAG_AFTER = 4; // pixels: less is a click
const PIXELS_PER_STEP = 7;
const ROOMY = 5; // columns up to which a cell has room for three digits
const TIGHT = 7; // columns from which it has room for two only

/** @param {{at: number, value: number, values: number[], columns: number, scale: object, label: string}} props */
export function Weight({ at, value, values, columns, scale, label }) {
  const input = useRef(null);
  const [typed, setTyped] = useState(null); // what stands there while someone types; null shows the number
  const wrong = typed !== null && parseNumber(typed) === null;
  const { background, text } = cellColours(value, scale, theme.value);

  const type = (event) => {
    const words = event.currentTarget.value;
    setTyped(words);
    const number = parseNumber(words);
    if (number !== null) setWeight(at, number);
    else complaint.value = words.trim() ? `“${words}” is no number: ${full(value)} still counts at this place.` : "";
  };
  const settle = () => {
    if (wrong) complaint.value = "";
    setTyped(null);
  };
  const by = (steps) => {
    setTyped(null);
    setWeight(at, openKernel.value.values[at] + steps * stepOf(openKernel.value.values));
  };
  useWheel(input, by);

  return html`<input
    ref=${input} class="weight" type="text" autocomplete="off" spellcheck=${false}
    aria-label=${label} aria-invalid=${wrong} style=${{ background, color: text }}
    value=${typed ?? shown(value, values, columns)}
    onFocus=${(event) => {
      setTyped(full(value));
      requestAnimationFrame(() => document.activeElement === event.target && event.target.select());
    }}
    onBlur=${settle} onInput=${type} onKeyDown=${(event) => onKey(event, { by, columns, settle })} ...${useDragging(at, setTyped)}
  />`;
}

/** The number with all its digits. */
function full(value) {
  return String(value).replace("-", "−");
}

function shown(value, values, columns) {
  if (columns > TIGHT) return full(Number(value.toPrecision(2))).replace("0.", ".").slice(0, 4);
  if (full(value).length <= (columns > ROOMY ? 4 : 5)) return full(value);
  return columns > ROOMY ? formatShort(value, Math.max(...values.map(Math.abs))) : formatCell(value);
}

/** Up and down change the number; left and right at the ends of the text, and Enter, go to the next cell. */
function onKey(event, { by, columns, settle }) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const input = event.currentTarget;
  const all = input.selectionStart === 0 && input.selectionEnd === input.value.length;
  const atStart = all || input.selectionEnd === 0;
  const atEnd = all || input.selectionStart === input.value.length;
  const far = event.shiftKey ? 10 : 1;
  if (event.key === "ArrowUp") by(far);
  else if (event.key === "ArrowDown") by(-far);
  else if (event.key === "ArrowLeft" && atStart) go(input, -1);
  else if (event.key === "ArrowRight" && atEnd) go(input, 1);
  else if (event.key === "Enter") go(input, event.shiftKey ? -columns : columns);
  else if (event.key === "Escape") settle();
  else return;
  event.preventDefault();
}

function go(input, by) {
  const cells = [...input.parentElement.children];
  cells[cells.indexOf(input) + by]?.focus();
}

/** The wheel turns the number of the cell that has the focus; anywhere else it scrolls the page. */
function useWheel(input, by) {
  const newest = useRef(by);
  newest.current = by;
  useEffect(() => {
    const element = input.current;
    const onWheel = (event) => {
      if (document.activeElement !== element || event.ctrlKey || !event.deltaY) return;
      event.preventDefault();
      newest.current(event.deltaY < 0 ? 1 : -1);
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, []);
}

/** Dragging up or down changes the number; a finger scrolls the page instead. */
function useDragging(at, setTyped) {
  const start = useRef(null);
  return {
    onPointerDown: (event) => {
      if (event.pointerType === "touch" || event.button !== 0) return;
      const { values } = openKernel.value;
      start.current = { y: event.clientY, value: values[at], step: stepOf(values), far: false };
    },
    onPointerMove: (event) => {
      const from = start.current;
      if (!from || !(event.buttons & 1)) return;
      const way = from.y - event.clientY;
      if (!from.far && Math.abs(way) < DRAG_AFTER) return;
      if (!from.far) event.currentTarget.setPointerCapture(event.pointerId);
      from.far = true;
      event.preventDefault();
      setTyped(null);
      setWeight(at, from.value + Math.trunc(way / PIXELS_PER_STEP) * from.step);
    },
    onPointerUp: () => (start.current = null),
    onPointerCancel: () => (start.current = null),
  };
}
