/** What every view shows until there is a network: that it is on its way, or why it cannot be had. */

import { unopened } from "../state/store.js";
import { html } from "./html.js";
import { Refused } from "./refused.js";

/** @param {{loader: import("../state/loader.js").Loader}} props */
export function Opening({ loader }) {
  if (!unopened.value) return html`<p class="loading">Opening the network …</p>`;
  return html`<section class="view" aria-labelledby="unopened-title">
    <h2 id="unopened-title">The network cannot be shown</h2>
    <${Refused} facts=${unopened.value} again=${() => loader.loadNetwork("", "")} />
  </section>`;
}
