/** A small picture of bytes, pixel for pixel, with a frame if there is a box. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { drawPicture } from "../pixels.js";

/** @param {{picture: {values: Uint8Array, shape: number[]}, label: string, box?: number[] | null}} props box: top, left, bottom, right */
export function Picture({ picture, label, box }) {
  const canvas = useRef(null);
  useLayoutEffect(() => drawPicture(canvas.current, picture), [picture]);
  const [height, width] = picture.shape;
  const style = box && {
    top: `${(box[0] / height) * 100}%`,
    left: `${(box[1] / width) * 100}%`,
    height: `${((box[2] - box[0]) / height) * 100}%`,
    width: `${((box[3] - box[1]) / width) * 100}%`,
  };
  return html`<span class="small-picture" style=${{ aspectRatio: `${width} / ${height}` }}>
    <canvas ref=${canvas} role="img" aria-label=${label}></canvas>
    ${box && html`<i class="mark" data-kind="window" style=${style}></i>`}
  </span>`;
}
