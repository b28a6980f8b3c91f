/** What went wrong, and what to do: a server that does not answer, a picture that cannot be read. */

import { offline, problem } from "../state/store.js";
import { html } from "./html.js";

export function Banners() {
  return html`<div class="banners" aria-live="assertive">
    ${
      offline.value &&
      html`<div class="banner" data-kind="offline">
      <p><b>The explorer does not answer.</b> What is on the page still works. If you stopped it, start
        ${" "}<code>convitro explore</code> again and open the new address that it prints; otherwise this page goes on by itself
        as soon as it is back.</p>
    </div>`
    }
    ${
      problem.value &&
      html`<div class="banner" data-kind="problem">
      <p><b>${problem.value.problem}</b>
        ${problem.value.expected && html` Expected: ${problem.value.expected}.`}
        ${problem.value.received && html` Received: ${problem.value.received}.`}
        ${problem.value.hint && html`<span class="what-to-do"> What to do: ${problem.value.hint}.</span>`}</p>
      <button type="button" class="quiet round" aria-label="Dismiss" onClick=${() => (problem.value = null)}>×</button>
    </div>`
    }
  </div>`;
}
