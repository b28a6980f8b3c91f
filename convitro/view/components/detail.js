/** One channel's products with all their digits, for kernels of any size. */

import { COMBINE_SIGNS } from "../numbers/arithmetic.js";
import { format } from "../numbers/format.js";
import { channelName, inputScale, signedScale } from "../numbers/scale.js";
import { partsOf, productLimit } from "../state/parts.js";
import { chain, detailed, place, sharedScale } from "../state/store.js";
import { Dialog } from "./dialog.js";
import { html } from "./html.js";
import { Matrix } from "./matrix.js";

export function DetailDialog() {
  const parts = partsOf(detailed.value);
  if (!parts) return null;
  const { channel, input, kernel, patch, product, outside, value } = parts;
  const { layer, inputs, document } = chain.value;
  const { pixel } = place.value;
  const name = layer.raw_input ? channelName(layer, channel) : `channel ${channel}`;
  const shared = sharedScale.value;
  const common = { size: layer.kernel_size, numbers: true };
  return html`<${Dialog} class="detail" title="${name} at row ${pixel.y}, column ${pixel.x}" onClose=${() => (detailed.value = null)}>
    <div class="detail-matrices" data-side=${Math.max(...layer.kernel_size)}>
      <figure><figcaption>patch</figcaption>
        <${Matrix} ...${common} values=${patch} outside=${outside} scale=${inputScale(layer, inputs, shared ? null : input)} label="patch" /></figure>
      <span class="sign" aria-hidden="true">${COMBINE_SIGNS[layer.combine]}</span>
      <figure><figcaption>kernel</figcaption>
        <${Matrix} ...${common} values=${kernel} scale=${signedScale(shared ? document.limits.kernels : null, kernel)} label="kernel" /></figure>
      <span class="sign" aria-hidden="true">=</span>
      <figure><figcaption>products</figcaption>
        <${Matrix} ...${common} values=${product} outside=${outside} scale=${signedScale(shared ? productLimit.value : null, product)} label="products" /></figure>
    </div>
    <p>${layer.window === "sum" ? "All products added" : `The ${layer.window} of the products`}: <b class="number">${format(value)}</b>,
      one pixel of the partial map.</p>
    <${ProductTable} layer=${layer} patch=${patch} kernel=${kernel} product=${product} />
  </${Dialog}>`;
}

/** The same numbers as a table, for reading aloud and for copying. */
function ProductTable({ layer, patch, kernel, product }) {
  const columns = layer.kernel_size[1];
  return html`<details><summary>The same as a table</summary>
    <table>
      <thead><tr><th>row</th><th>column</th><th>patch</th><th>kernel</th><th>product</th></tr></thead>
      <tbody>${Array.from(product, (value, at) => html`<tr>
        <td>${Math.floor(at / columns)}</td><td>${at % columns}</td>
        <td>${format(patch[at])}</td><td>${format(kernel[at])}</td><td>${Number.isNaN(value) ? "outside" : format(value)}</td>
      </tr>`)}</tbody>
    </table>
  </details>`;
}
