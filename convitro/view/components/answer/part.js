/** One part of a score: the map, its product, and the way to its filter. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { filterOf } from "../../numbers/answer.js";
import { putImage } from "../../numbers/colour.js";
import { format, formatTerm } from "../../numbers/format.js";
import { openFilter } from "../../state/answer.js";
import { theme } from "../../state/store.js";
import { html } from "../html.js";
import { smallMap } from "../pixels.js";

export function Part({ document, at, value, scale, of, against }) {
  const { parts } = document;
  const number = parts.kept ? parts.kept[at] : at;
  const origin = parts.unit === "map" ? filterOf(parts.origins, number) : null;
  const name = `${parts.unit} ${number}`;
  const body = html`
    ${parts.unit === "map" && html`<${Thumbnail} document=${document} at=${at} />`}
    <span class="answer-part-name">${name}</span>
    <span class="answer-part-product">${product(document, at, of, against)}</span>
    <b class="answer-part-value">${formatTerm(value)}</b>
    <i class="answer-bar" data-sign=${value < 0 ? "down" : "up"} style=${{ "--share": scale ? Math.abs(value) / scale : 0 }}></i>`;
  if (!origin) return html`<li class="answer-part">${body}</li>`;
  const title = `Open filter ${origin.filter} of ${origin.layer}`;
  return html`<li><button type="button" class="answer-part" title=${title} aria-label="${name}: ${formatTerm(value)}. ${title}" onClick=${() => openFilter(origin)}>${body}</button></li>`;
}

/** Input times weight where there is one of each; against another class the two weights' difference. */
function product({ parts, arrays }, at, of, against) {
  if (!arrays.weights) return "";
  const count = arrays.features.values.length;
  const weight = (index) => arrays.weights.values[parts.rows.indexOf(index) * count + at];
  const shown = against === null ? weight(of) : weight(of) - weight(against);
  return `${format(arrays.features.values[at])} × ${shown < 0 ? `(${format(shown)})` : format(shown)}`;
}

function Thumbnail({ document, at }) {
  const canvas = useRef(null);
  const colours = theme.value;
  useLayoutEffect(() => putImage(canvas.current, smallMap(document, at, false, colours)), [document, at, colours]);
  return html`<canvas ref=${canvas} aria-hidden="true"></canvas>`;
}
