/** The views of the page, as tabs. */

import { view } from "../state/store.js";
import { chooseView, shownViews } from "../state/views.js";
import { html } from "./html.js";

export function Nav() {
  const views = shownViews();
  if (views.length < 2) return null;
  return html`<nav class="views" aria-label="Views">
    ${views.map(
      ({ id, title, words }, index) => html`<button
        type="button"
        key=${id}
        class="view-tab"
        aria-current=${id === view.value ? "page" : undefined}
        title="${words} (${index + 1})"
        onClick=${() => chooseView(id)}
      >${title}</button>`,
    )}
  </nav>`;
}
