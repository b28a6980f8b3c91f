/** Patch, kernel and products of every channel with all their numbers, for kernels of any size. */

import { useState } from "preact/hooks";
import { format } from "../../numbers/format.js";
import { signedScale } from "../../numbers/scale.js";
import { picture, playParts, playPlace, result } from "../../state/play.js";
import { html } from "../html.js";
import { Matrix } from "../matrix.js";
import { pictureScale } from "./looks.js";

export function WrittenOut() {
  const [open, setOpen] = useState(false);
  return html`<details class="written" onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>The products with all their numbers</summary>
    ${open && picture.value.names.map((name, index) => html`<${Channel} key=${name} name=${name} index=${index} />`)}
  </details>`;
}

function Channel({ name, index }) {
  const size = result.value.layer.kernel_size;
  const fits = () => playPlace.value && result.value.layer.kernel_size.join() === size.join();
  const read = (make) => () => (fits() && playParts.value[index] ? make(playParts.value[index]) : null);
  const matrix = (label, make) => html`<figure><figcaption>${label}</figcaption>
    <${Matrix} key=${size.join()} large=${true} size=${size} label="${name}, ${label}" read=${read(make)} /></figure>`;
  return html`<div class="detail-matrices" data-side=${Math.max(...size) | 1} data-channel=${name}>
    ${matrix("patch", ({ patch, outside }) => ({ values: patch, outside, scale: pictureScale(picture.value) }))}
    <span class="sign" aria-hidden="true">×</span>
    ${matrix("kernel", ({ kernel }) => ({ values: kernel, scale: signedScale(null, kernel) }))}
    <span class="sign" aria-hidden="true">=</span>
    ${matrix("products", ({ product, outside }) => ({ values: product, outside, scale: signedScale(null, product) }))}
    <span class="sign" aria-hidden="true">→</span><${Sum} name=${name} index=${index} />
  </div>`;
}

/** What the products add up to, alone, because it follows the pointer. */
function Sum({ name, index }) {
  const value = playPlace.value && playParts.value[index]?.value;
  return html`<span class="written-sum">${name} <b class="number">${typeof value === "number" ? format(value) : ""}</b></span>`;
}
