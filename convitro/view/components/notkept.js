/** In a saved page: what it does not hold, and the way to what it does. */

import { openPlace } from "../state/actions.js";
import { keptPlace } from "../state/kept.js";
import { network } from "../state/store.js";
import { html } from "./html.js";

/** @param {{kind: string, children: any}} props `kind` of document; `children` say what is not here, as the start of a sentence */
export function NotKept({ kind, children }) {
  const place = keptPlace(kind);
  return html`<p class="muted not-kept">${children} not in this page: it was not computed, or would have been too large.
    ${place && html` Here is <button type="button" class="link" onClick=${() => openPlace(place)}>${wordsOf(place)}</button>.`}
    ${" "}To see every filter, start <code>convitro explore</code> with this network.</p>`;
}

/** "filter 3 of conv2 on cup, from row 1, column 4": what differs from what is open is named. */
function wordsOf({ picture, layer, filter, pixel }) {
  const other = picture && picture !== network.value.picture.id ? " on another picture" : "";
  const [row, column] = (pixel ?? "").split(",");
  const from = pixel === undefined ? "" : pixel ? `, from row ${row}, column ${column}` : ", from its strongest pixel";
  return `filter ${filter} of ${layer}${other}${from}`;
}
