/** A view whose numbers are still being computed: what is being done, and how far it is. */

import { html } from "./html.js";
import { Refused } from "./refused.js";

/**
 * @param {object} props
 * @param {string} props.title the heading
 * @param {any} props.words what is being done
 * @param {string} props.step what is going on now, in words
 * @param {number | null} [props.share] how much of it is done; null where nobody can tell
 * @param {object | null} props.refusal why it cannot be done: then that stands in its place
 * @param {() => void} props.again does it once more
 */
export function Waiting({ title, words, step, share = null, refusal, again }) {
  return html`<section class="view waiting-view" aria-labelledby="waiting-title" aria-busy=${!refusal}>
    <h2 id="waiting-title">${title}</h2>
    ${
      refusal
        ? html`<${Refused} facts=${refusal} again=${again} />`
        : html`<p class="lead">${words}</p>
      <div class="waiting">
        <span class="progress-bar" role="progressbar" aria-label=${title} aria-valuemin="0" aria-valuemax="100" data-open=${share === null}
          aria-valuenow=${share === null ? undefined : Math.round(100 * share)} style=${{ "--share": share ?? 0 }}></span>
        <span class="muted">${step}</span>
      </div>`
    }
  </section>`;
}
