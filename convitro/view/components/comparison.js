/** How a filter with another aggregation differs from the trained one. */

import { compare } from "../numbers/arithmetic.js";
import { format } from "../numbers/format.js";
import { signedScale } from "../numbers/scale.js";
import { hover, pin } from "../state/actions.js";
import { aggregationWord, chain, place, sharedScale } from "../state/store.js";
import { html } from "./html.js";
import { MapView } from "./map.js";

export function Comparison() {
  const { layer, document } = chain.value;
  if (aggregationWord.value?.separate) return null;
  if (document.trained) {
    return html`<div class="comparison" data-empty="true">
      <p class="muted">This is the filter as it was trained. Choose another aggregation above to see what the same kernels would have made.</p>
    </div>`;
  }
  const { activated, trained_activated: trained } = document.arrays;
  if (!trained) return null; // trained with its maps kept apart: no one map to compare with
  const { difference, limit, mean, correlation } = compare(activated.values, trained.values);
  const { pixel } = place.value;
  const common = {
    size: layer.output_size,
    marks: [{ box: { top: pixel.y, left: pixel.x, height: 1, width: 1 }, kind: "pixel" }],
    onPoint: hover,
    onPin: pin,
  };
  const at = pixel.y * layer.output_size[1] + pixel.x;
  const shared = sharedScale.value;
  const own = (values, most) => signedScale(shared ? most : null, values);
  const { limits } = document;
  return html`<div class="comparison">
    <h3>Feature map: ${aggregationWord.value.name} against ${layer.aggregation}, as trained</h3>
    <div class="comparison-maps">
      <figure><figcaption>${aggregationWord.value.name}</figcaption>
        <${MapView} ...${common} values=${activated.values} scale=${own(activated.values, limits.results)} label="with ${aggregationWord.value.name}" /><output>${format(activated.values[at])}</output></figure>
      <span class="sign" aria-hidden="true">−</span>
      <figure><figcaption>${layer.aggregation}</figcaption>
        <${MapView} ...${common} values=${trained.values} scale=${own(trained.values, limits.trained_results)} label="as trained" /><output>${format(trained.values[at])}</output></figure>
      <span class="sign" aria-hidden="true">=</span>
      <figure><figcaption>difference</figcaption>
        <${MapView} ...${common} values=${difference} scale=${signedScale(limit, [])} label="difference" /><output>${format(difference[at])}</output></figure>
    </div>
    <p class="muted">Mean |difference| <b class="number">${format(mean)}</b>, largest <b class="number">${format(limit)}</b>;
      correlation of the two maps <b class="number">${Number.isNaN(correlation) ? "none" : format(correlation)}</b>.</p>
  </div>`;
}
