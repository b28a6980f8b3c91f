/** Choose a picture: a bundled one, or one's own. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { choosePicture } from "../state/actions.js";
import { compared, MOST, others, toggleCompared } from "../state/compared.js";
import { openFile } from "../state/files.js";
import { live, network, picking, pictureId, pictures } from "../state/store.js";
import { Camera, hasCamera } from "./camera.js";
import { Dialog } from "./dialog.js";
import { html } from "./html.js";
import { drawPicture } from "./pixels.js";

/** @param {{loader: import("../state/loader.js").Loader}} props */
export function PictureDialog({ loader }) {
  const file = useRef(null);
  const [camera, setCamera] = useState(false);
  useEffect(() => void loader.loadPictures(), []);
  const known = pictures.value;
  const take = () => {
    openFile(loader, file.current.files[0]);
    picking.value = false;
  };
  return html`<${Dialog} class="picture-dialog" title="Choose a picture" onClose=${() => (picking.value = false)}>
    ${live.value && html`<div class="own-picture">
      <button type="button" class="primary" autofocus onClick=${() => file.current.click()}>Your own picture …</button>
      ${hasCamera() && html`<button type="button" class="keep" aria-expanded=${camera} onClick=${() => setCamera(!camera)}>Camera</button>`}
      <input ref=${file} type="file" accept="image/*" class="only-heard" tabindex="-1" aria-label="Your own picture" onChange=${take} />
      <p class="muted">or drop one anywhere on the page, or paste it. PNG, JPEG, WebP; at most 20 MB. It never leaves this machine.</p>
    </div>`}
    ${camera && html`<${Camera} loader=${loader} onClose=${() => setCamera(false)} />`}
    ${
      known
        ? html`<ul class="picture-grid">
          ${known.pictures.map(({ id, name }, index) => html`<li key=${id}><${Choice} id=${id} name=${name} index=${index} />
            ${known.pictures.length > 1 && html`<${Compare} id=${id} name=${name} />`}</li>`)}
        </ul>`
        : html`<p class="loading">Fetching the pictures …</p>`
    }
  </${Dialog}>`;
}

/** Whether a picture stands beside the open one in the Filter view. */
function Compare({ id, name }) {
  if (id === network.value?.picture.id) return html`<span class="compare-open" aria-hidden="true">open</span>`;
  const chosen = compared.value.includes(id);
  const full = !chosen && others.value.length >= MOST;
  return html`<button type="button" class="compare-toggle" aria-pressed=${chosen} aria-label="Compare with ${name}" disabled=${full}
    title=${full ? "four pictures at most" : "show it beside the open picture in the Filter view"} onClick=${() => toggleCompared(id)}>compare</button>`;
}

function Choice({ id, name, index }) {
  const canvas = useRef(null);
  const { values, shape } = pictures.value.arrays.pictures;
  const [, height, width, channels] = shape;
  useLayoutEffect(() => {
    const size = height * width * channels;
    drawPicture(canvas.current, {
      values: values.subarray(index * size, (index + 1) * size),
      shape: [height, width, channels],
    });
  }, [values, index]);
  return html`<button type="button" class="picture-choice" aria-pressed=${id === pictureId.value} onClick=${() => choosePicture(id)}>
    <canvas ref=${canvas} aria-hidden="true"></canvas><span>${name}</span>
  </button>`;
}
