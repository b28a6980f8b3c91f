/** A small whole number, or any number, to type or to step through. */

import { useState } from "preact/hooks";
import { parseNumber } from "../../numbers/kernels.js";
import { complaint } from "../../state/play.js";
import { html } from "../html.js";

/**
 * @param {{label: string, value: number, low: number, high: number, onChange: (value: number) => void, any?: boolean, disabled?: boolean}} props
 *   `any` takes fractions, too
 */
export function NumberField({ label, value, low, high, onChange, any = false, disabled = false }) {
  const [typed, setTyped] = useState(null);
  const read = (text) => {
    const number = parseNumber(text);
    return number !== null && number >= low && number <= high && (any || Number.isInteger(number)) ? number : null;
  };
  const wrong = typed !== null && read(typed) === null;
  const step = (by) => {
    setTyped(null);
    onChange(Math.min(Math.max(tenths(value + by), low), high));
  };
  const type = (event) => {
    const words = event.currentTarget.value;
    setTyped(words);
    const number = read(words);
    if (number !== null) onChange(number);
    else if (words.trim()) complaint.value = `“${words}” does not fit the ${label}: ${any ? "a number" : "a whole number"} from ${low} to ${high}. ${value} still holds.`;
  };
  const size = any ? 0.1 : 1;
  const key = (event) => {
    const by = { ArrowUp: size, ArrowDown: -size }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step(event.shiftKey ? by * 10 : by);
  };
  return html`<span class="number-field">
    <button type="button" tabindex="-1" aria-label="${label}: less" disabled=${disabled || value <= low} onClick=${() => step(-size)}>−</button>
    <input type="text" inputmode=${any ? undefined : "numeric"} aria-label=${label} aria-invalid=${wrong} disabled=${disabled} autocomplete="off"
      value=${typed ?? String(value).replace("-", "−")} onInput=${type} onBlur=${() => {
        if (wrong) complaint.value = "";
        setTyped(null);
      }} onKeyDown=${key} />
    <button type="button" tabindex="-1" aria-label="${label}: more" disabled=${disabled || value >= high} onClick=${() => step(size)}>+</button>
  </span>`;
}

function tenths(value) {
  return Number(value.toFixed(6));
}
