/** The views of the page, as tabs. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { view } from "../state/store.js";
import { chooseView, shownViews } from "../state/views.js";
import { html } from "./html.js";

export function Nav() {
  const views = shownViews();
  const row = useRef(null);
  useLayoutEffect(() => reveal(row.current), [view.value, views.length]);
  useEffect(() => {
    const again = () => reveal(row.current);
    addEventListener("resize", again);
    return () => removeEventListener("resize", again);
  }, []);
  if (views.length < 2) return null;
  return html`<nav ref=${row} class="views" aria-label="Views" onScroll=${(event) => fade(event.currentTarget)}>
    ${views.map(
      ({ id, title, words }, index) => html`<button
        type="button"
        key=${id}
        class="view-tab"
        aria-current=${id === view.value ? "page" : undefined}
        title=${index < 9 ? `${words} (${index + 1})` : words}
        onClick=${() => chooseView(id)}
      >${title}</button>`,
    )}
  </nav>`;
}

/** Scroll the row sideways so that the open view's tab stands in its middle, as far as it goes. */
function reveal(row) {
  const tab = row?.querySelector("[aria-current]");
  if (!tab) return;
  row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  fade(row);
}

/** At which of its ends the row goes on. */
function fade(row) {
  row.dataset.before = row.scrollLeft > 1;
  row.dataset.after = row.scrollLeft + row.clientWidth < row.scrollWidth - 1;
}
