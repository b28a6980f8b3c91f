/** One channel's products with all their digits, for kernels of any size. */

import { COMBINE_SIGNS } from "../numbers/arithmetic.js";
import { format } from "../numbers/format.js";
import { channelName } from "../numbers/scale.js";
import { kernelScale, partsOf, patchScale, productScale } from "../state/parts.js";
import { chain, detailed, place } from "../state/store.js";
import { Dialog } from "./dialog.js";
import { html } from "./html.js";
import { Matrix } from "./matrix.js";

export function DetailDialog() {
  const parts = partsOf(detailed.value);
  if (!parts) return null;
  const { channel, input, kernel, patch, product, outside, value } = parts;
  const { layer } = chain.value;
  const { pixel } = place.value;
  const name = layer.raw_input ? channelName(layer, channel) : `channel ${channel}`;
  const matrix = (label, content) => html`<figure><figcaption>${label}</figcaption>
    <${Matrix} large=${true} size=${layer.kernel_size} label=${label} read=${() => content} /></figure>`;
  return html`<${Dialog} class="detail" title="${name} at row ${pixel.y}, column ${pixel.x}" onClose=${() => (detailed.value = null)}>
    <div class="detail-matrices" data-side=${Math.max(...layer.kernel_size)}>
      ${matrix("patch", { values: patch, outside, scale: patchScale(input) })}
      <span class="sign" aria-hidden="true">${COMBINE_SIGNS[layer.combine]}</span>
      ${matrix("kernel", { values: kernel, scale: kernelScale(kernel) })}
      <span class="sign" aria-hidden="true">=</span>
      ${matrix("products", { values: product, outside, scale: productScale(product) })}
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
      <tbody>${Array.from(
        product,
        (value, at) => html`<tr>
        <td>${Math.floor(at / columns)}</td><td>${at % columns}</td>
        <td>${format(patch[at])}</td><td>${format(kernel[at])}</td><td>${Number.isNaN(value) ? "outside" : format(value)}</td>
      </tr>`,
      )}</tbody>
    </table>
  </details>`;
}
