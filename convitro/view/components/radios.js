/** A row of things of which one is chosen: one tab stop, arrow keys move and choose, as in any radio group. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "./html.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/**
 * A segmented bar, unless it is given other looks.
 *
 * @param {{
 *   label: string, class?: string, items: {key: string | number, label: string, body: any, faint?: boolean, onClick?: (event: MouseEvent) => void}[],
 *   chosen: string | number, onChoose: (key: any) => void, itemClass?: string
 * }} props `body` is what stands in the button, `label` what a screen reader says
 */
export function Radios({ label, items, chosen, onChoose, class: rowClass = "segments", itemClass = "segment" }) {
  const row = useRef(null);
  const at = items.findIndex(({ key }) => key === chosen);

  useLayoutEffect(() => {
    const button = row.current?.children[at];
    if (button) reveal(row.current, button);
  }, [at, items.length]);

  const onKeyDown = (event) => {
    const target = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : at + (STEPS[event.key] ?? NaN);
    if (Number.isNaN(target) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = (target + items.length) % items.length;
    onChoose(items[next].key);
    row.current.children[next].focus({ preventScroll: true });
  };

  return html`<div ref=${row} role="radiogroup" aria-label=${label} class=${rowClass} onKeyDown=${onKeyDown}>
    ${items.map(
      ({ key, label: name, body, faint = false, onClick }, index) => html`<button
        type="button"
        key=${key}
        role="radio"
        class=${itemClass}
        data-faint=${faint}
        aria-label=${name}
        aria-checked=${index === at}
        tabindex=${index === Math.max(at, 0) ? 0 : -1}
        onClick=${(event) => (onClick ? onClick(event) : onChoose(key))}
      >${body}</button>`,
    )}
  </div>`;
}

/** Scroll a row sideways so that a button of it is seen; the page itself stays where it is. */
function reveal(row, button) {
  const left = button.offsetLeft - row.offsetLeft;
  if (left < row.scrollLeft) row.scrollLeft = left - 16;
  else if (left + button.offsetWidth > row.scrollLeft + row.clientWidth) {
    row.scrollLeft = left + button.offsetWidth - row.clientWidth + 16;
  }
}
