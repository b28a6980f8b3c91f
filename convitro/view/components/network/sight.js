/** The picture, and on it what the pixel under the pointer sees. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { unit } from "../../state/network.js";
import { network, picking } from "../../state/store.js";
import { html } from "../html.js";
import { drawPicture } from "../pixels.js";

export function Sight() {
  const { picture, arrays } = network.value;
  const canvas = useRef(null);
  useLayoutEffect(() => drawPicture(canvas.current, arrays.picture), [arrays]);
  return html`<aside class="sight">
    <button type="button" class="sight-picture" aria-label="Picture: ${picture.name}. Choose another" onClick=${() => (picking.value = true)}>
      <canvas ref=${canvas} role="img" aria-label=${picture.name}></canvas>
      <${Seen} />
    </button>
    <${Words} />
  </aside>`;
}

/** The frame alone, because it follows the pointer. */
function Seen() {
  const box = boxOf(unit.value);
  if (!box) return null;
  const [, height, width] = network.value.input_size;
  const style = {
    left: `${(box.left / width) * 100}%`,
    top: `${(box.top / height) * 100}%`,
    width: `${((box.right - box.left) / width) * 100}%`,
    height: `${((box.bottom - box.top) / height) * 100}%`,
  };
  return html`<i class="mark seen" data-kind="window" style=${style}></i>`;
}

function Words() {
  const pointed = unit.value;
  const box = boxOf(pointed);
  if (!box) {
    return html`<p class="muted" aria-hidden="true">${pointed ? `What a pixel of ${pointed.layer.name} sees is not known.` : "Point at a map: the frame is what one of its pixels sees."}</p>`;
  }
  const [rows, columns] = pointed.layer.receptive.size;
  const [, height, width] = network.value.input_size;
  const whole = rows >= height && columns >= width;
  return html`<p aria-hidden="true"><b>${pointed.layer.name}</b>, map ${pointed.map}, row ${pointed.y}, column ${pointed.x}: one pixel sees
    ${" "}<b>${rows} × ${columns}</b> pixels of the picture${whole ? ", all of it and beyond" : ""}.
    <${Makings} ...${pointed.layer} /></p>`;
}

/** What the map is made of: the next question of who points at it. */
function Makings({ channels_per_filter: channels }) {
  const many = channels > 1;
  return html` <span class="muted">Made of ${channels} ${many ? "channels, each with a kernel of its own" : "channel, by one kernel"}: click to see how.</span>`;
}

/** The box of the picture that a unit sees, cut at the borders; null where it is not known. */
function boxOf(pointed) {
  const seen = pointed?.layer.receptive;
  if (!seen) return null;
  const [, height, width] = network.value.input_size;
  const [top, left] = [pointed.y * seen.stride[0] + seen.start[0], pointed.x * seen.stride[1] + seen.start[1]];
  return {
    top: Math.max(0, top),
    left: Math.max(0, left),
    bottom: Math.min(height, top + seen.size[0]),
    right: Math.min(width, left + seen.size[1]),
  };
}
