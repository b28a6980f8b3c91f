/** How a filter with another aggregation differs from the trained one. */

import { useMemo } from "preact/hooks";
import { compare } from "../numbers/arithmetic.js";
import { format } from "../numbers/format.js";
import { signedScale } from "../numbers/scale.js";
import { hover, pin } from "../state/actions.js";
import { cardsKept } from "../state/aggregations.js";
import { chain, place, sharedScale } from "../state/store.js";
import { html } from "./html.js";
import { MapView, pixelMark } from "./map.js";

export function Comparison() {
  const { document, word } = chain.value;
  if (word.separate || !cardsKept.value) return null;
  if (document.trained) {
    return html`<div class="comparison" data-empty="true">
      <p class="muted">This is the filter as it was trained. Choose another aggregation above to see what the same kernels
        would have made.</p>
    </div>`;
  }
  const { activated, trained_activated: trained } = document.arrays;
  if (!trained) return null; // trained with its maps kept apart: no one map to compare with
  return html`<${Difference} shown=${activated.values} trained=${trained.values} />`;
}

function Difference({ shown, trained }) {
  const { layer, document, word } = chain.value;
  const { name } = word;
  const shared = sharedScale.value;
  const { difference, limit, mean, correlation } = useMemo(() => compare(shown, trained), [shown, trained]);
  const scale = (values, most) => signedScale(shared ? most : null, values);
  const columns = [
    { title: name, values: shown, scale: scale(shown, document.limits.results), sign: "−" },
    { title: layer.aggregation, values: trained, scale: scale(trained, document.limits.trained_results), sign: "=" },
    { title: "difference", values: difference, scale: signedScale(limit, []) },
  ];
  return html`<div class="comparison">
    <h3>Feature map: ${name} against ${layer.aggregation}, as trained</h3>
    <div class="comparison-maps">${columns.map((column) => html`<${Compared} ...${column} />`)}</div>
    <p class="muted">Mean |difference| <b class="number">${format(mean)}</b>, largest <b class="number">${format(limit)}</b>;
      correlation of the two maps <b class="number">${Number.isNaN(correlation) ? "none" : format(correlation)}</b>.</p>
  </div>`;
}

function Compared({ title, values, scale, sign }) {
  const size = chain.value.layer.output_size;
  return html`<figure>
      <figcaption>${title}</figcaption>
      <${MapView}
        values=${values} size=${size} scale=${scale} label="feature map, ${title}"
        marks=${() => [pixelMark(place.value.pixel)]} onPoint=${hover} onPin=${pin}
      />
      <${Value} values=${values} width=${size[1]} />
    </figure>
    ${sign && html`<span class="sign" aria-hidden="true">${sign}</span>`}`;
}

function Value({ values, width }) {
  const { y, x } = place.value.pixel;
  return html`<span class="value">${format(values[y * width + x])}</span>`;
}
