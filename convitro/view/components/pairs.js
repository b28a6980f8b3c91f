/** The channels that pull the pixel in opposite directions, pair by pair. */

import { format } from "../numbers/format.js";
import { html } from "./html.js";

/**
 * @param {{pairs: {up: string, plus: number, down: string, minus: number}[], onChoose?: (pair: object) => void, words?: string}} props
 *   `up` and `down` are names of channels; `words` is what they do here
 */
export function OpposingPairs({ pairs, onChoose, words = "cancel here" }) {
  if (!pairs.length) return html`<p class="muted pairs-none">Here all channels pull the same way.</p>`;
  return html`<ol class="pairs" aria-label="Channels that ${words}">
    ${pairs.map((pair, rank) => {
      const { up, plus, down, minus } = pair;
      const text = html`<span>${/^\d/.test(up) ? "channels " : ""}<b>${up}</b> and <b>${down}</b>${" "}${rank === 0 ? words : ""}</span>
        <span class="number"><i data-sign="positive">${format(plus)}</i> <i data-sign="negative">${format(minus)}</i></span>`;
      return html`<li key=${rank}>${
        onChoose ? html`<button type="button" class="pair" onClick=${() => onChoose(pair)}>${text}</button>` : html`<span class="pair">${text}</span>`
      }</li>`;
    })}
  </ol>`;
}
