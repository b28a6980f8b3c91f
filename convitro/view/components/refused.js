/** Why a view has nothing to show, there where it would stand, and the way to try once more. */

import { html } from "./html.js";

/** @param {{facts: {problem: string, expected?: string, received?: string, hint?: string}, again: () => void}} props */
export function Refused({ facts, again }) {
  return html`<div class="refused" role="alert">
    <p><${Reason} ...${facts} /></p>
    <button type="button" class="keep" onClick=${again}>Try again</button>
  </div>`;
}

/** Why something was refused, in words. */
export function Reason({ problem, expected, received, hint }) {
  return html`<b>${problem}</b>${expected && html` Expected: ${expected}.`}${received && html` Received: ${received}.`}${hint && html` What to do: ${hint}.`}`;
}
