/** All kernels of one filter as one small picture. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { coloured, putImage } from "../../numbers/colour.js";
import { mosaic } from "../../numbers/curves.js";
import { limitOf } from "../../numbers/scale.js";
import { theme } from "../../state/store.js";
import { html } from "../html.js";

/**
 * @param {{kernels: {values: Float32Array, shape: number[]}, limit: number | null, coloured: boolean, label?: string}} props kernels
 *   (C, KH, KW); `limit` is the value of the strongest colour, null for their own largest; `coloured` draws three kernels as
 *   the red, green and blue of a small picture, grey for 0
 */
export function KernelPicture({ kernels, limit, coloured: inColour, label }) {
  const canvas = useRef(null);
  const colours = theme.value;
  const size = limit ?? limitOf(kernels.values);
  useLayoutEffect(() => {
    if (inColour) drawColours(canvas.current, kernels, size || 1);
    else drawMosaic(canvas.current, kernels, size || 1, colours);
  }, [kernels, size, inColour, colours]);
  const role = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return html`<canvas ref=${canvas} class="kernel-picture" ...${role}></canvas>`;
}

function drawColours(canvas, { values, shape: [, rows, columns] }, limit) {
  const image = new ImageData(columns, rows);
  for (let at = 0; at < rows * columns; at += 1) {
    for (let c = 0; c < 3; c += 1) image.data[at * 4 + c] = 127.5 + (values[c * rows * columns + at] / limit) * 127.5;
    image.data[at * 4 + 3] = 255;
  }
  putImage(canvas, image);
}

function drawMosaic(canvas, { values, shape: [count, rows, columns] }, limit, colours) {
  const place = mosaic(count, [rows, columns]);
  [canvas.width, canvas.height] = [place.width, place.height];
  const context = canvas.getContext("2d");
  for (let index = 0; index < count; index += 1) {
    const kernel = values.subarray(index * rows * columns, (index + 1) * rows * columns);
    const row = (at) => Math.round(127.5 + Math.min(Math.max(kernel[at] / limit, -1), 1) * 127.5);
    const { y, x } = place.at(index);
    context.putImageData(coloured([rows, columns], row, "diverging", colours), x, y);
  }
}

/** The kernels of one filter out of those of a page, without copying. */
export function kernelsOf({ values, shape: [, ...shape] }, index) {
  const size = shape.reduce((product, each) => product * each, 1);
  return { values: values.subarray(index * size, (index + 1) * size), shape };
}
