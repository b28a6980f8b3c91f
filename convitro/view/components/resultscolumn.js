/** The column beside the rows, which stays in sight while they scroll. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "./html.js";

const SLACK = 120; // pixels; the lines of a pixel's arithmetic are more or fewer from one pixel to the next

/**
 * Its height is said to the browser instead of being found out: so its numbers, which follow the pointer, do not have
 * the rows beside it laid out anew.
 */
export function ResultsColumn({ children }) {
  const inner = useRef(null);
  useLayoutEffect(() => {
    const column = inner.current.parentElement;
    let told = 0;
    const watch = new ResizeObserver(([{ borderBoxSize }]) => {
      const height = borderBoxSize[0].blockSize;
      if (height <= told && height > told - SLACK) return;
      told = height;
      column.style.containIntrinsicHeight = `${height}px`;
    });
    watch.observe(inner.current);
    return () => watch.disconnect();
  }, []);
  return html`<div class="results-column"><div ref=${inner} class="results">${children}</div></div>`;
}
