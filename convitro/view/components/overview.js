/** From the picture through the layers to the answer, in one line. */

import { useMemo } from "preact/hooks";
import { pictureBitmap } from "../numbers/bitmap.js";
import { formatShare } from "../numbers/format.js";
import { askWhy } from "../state/answer.js";
import { network, picking } from "../state/store.js";
import { html } from "./html.js";
import { LayerStrip } from "./layerstrip.js";
import { Term } from "./term.js";

export function Overview() {
  return html`<section class="overview" aria-label="The network on this picture">
    <${InputPicture} />
    <span class="flow" aria-hidden="true"></span>
    <${LayerStrip} />
    <span class="flow" aria-hidden="true"></span>
    <${Prediction} />
  </section>`;
}

function InputPicture() {
  const { picture, arrays, input_size: size } = network.value;
  const source = useMemo(() => pictureBitmap(arrays.picture), [arrays]);
  return html`<figure class="input-picture">
    <button type="button" onClick=${() => (picking.value = true)} aria-label="Picture: ${picture.name}. Choose another">
      <img src=${source} alt=${picture.name} decoding="sync" draggable=${false} />
      <span class="change" aria-hidden="true">Change picture</span>
    </button>
    <figcaption><b>${picture.name}</b> ${size[2]} × ${size[1]}</figcaption>
  </figure>`;
}

function Prediction() {
  const { prediction, answers, ending } = network.value;
  const apart = ending === "sigmoid";
  const head = html`<div class="prediction-head">
    <h2>${apart ? html`Prediction, <${Term} word="share of its own">each apart</${Term}>` : html`<${Term} word="prediction">Prediction</${Term}>`}</h2>
    ${answers && html`<button type="button" class="link" aria-label="How the answer comes about" title="How the answer comes about (y)" onClick=${() => askWhy()}>how?</button>`}
  </div>`;
  if (!prediction.length) {
    return html`<div class="prediction">${head}
      <p class="muted">The network returns ${answers ? "one score, not one for each of several" : "no scores for"} classes.</p></div>`;
  }
  return html`<div class="prediction" data-asks=${answers}>
    ${head}
    <ol>
      ${prediction.map(
        ({ index, name, share }) => html`<li key=${index} onClick=${answers && (() => askWhy(index))}>
          <span class="class-name" title=${name}>${name}</span>
          <span class="share">${formatShare(share)}</span>
          <span class="share-bar" style=${{ "--share": share }}></span>
        </li>`,
      )}
    </ol>
  </div>`;
}
