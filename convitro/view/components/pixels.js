/** Pictures and quantised maps drawn on canvases. */

import { mapBitmap } from "../numbers/bitmap.js";
import { coloured, putImage } from "../numbers/colour.js";
import { mapOf } from "../data/document.js";

/**
 * Draw an (H, W, 3) or (H, W, 1) picture of bytes, one canvas pixel each.
 * @param {HTMLCanvasElement} canvas
 * @param {{values: Uint8Array, shape: number[]}} picture
 */
export function drawPicture(canvas, { values, shape: [height, width, channels] }) {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[i * 4 + c] = values[i * channels + (channels === 3 ? c : 0)];
    image.data[i * 4 + 3] = 255;
  }
  putImage(canvas, image);
}

/**
 * One map of a layer's small maps as an image of its own size.
 * @param {object} document with arrays maps (C, H, W) of bytes around 128 and limits (C,)
 * @param {number} index
 * @param {boolean} shared colours by the layer's largest limit instead of the map's own
 * @param {"light" | "dark"} theme
 * @returns {ImageData}
 */
export function smallMap(document, index, shared, theme) {
  const [, height, width] = document.arrays.maps.shape;
  return coloured([height, width], rowsOf(document, index, shared), "diverging", theme);
}

/**
 * The same map as the address of a picture.
 * @returns {string}
 */
export function smallMapBitmap(document, index, shared, theme) {
  const [, height, width] = document.arrays.maps.shape;
  return mapBitmap([height, width], rowsOf(document, index, shared), "diverging", theme);
}

/** Which row of the colour table each pixel takes. */
function rowsOf({ arrays: { maps, limits } }, index, shared) {
  const share = shared ? limits.values[index] / (maximum(limits.values) || 1) : 1;
  const bytes = mapOf(maps, index);
  return (i) => Math.round(127.5 + ((bytes[i] - 128) / 127) * share * 127.5);
}

function maximum(values) {
  return values.reduce((largest, value) => Math.max(largest, value), 0);
}
