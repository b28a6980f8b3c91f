/** A small part of a map around a place, so that single pixels can be seen. */

/**
 * The window of a map that is shown from near: so many pixels a side, inside the map, its middle as near to the middle of
 * a box as the borders let it.
 * @param {{top: number, left: number, height: number, width: number}} box
 * @param {number[]} size of the map
 * @param {number} side
 * @returns {{top: number, left: number, height: number, width: number}}
 */
export function closeUp(box, [height, width], side) {
  const along = (start, extent, whole) => {
    const length = Math.min(side, whole);
    const first = Math.round(start + extent / 2 - length / 2);
    return [Math.min(Math.max(first, 0), whole - length), length];
  };
  const [top, rows] = along(box.top, box.height, height);
  const [left, columns] = along(box.left, box.width, width);
  return { top, left, height: rows, width: columns };
}

/**
 * The values of a part of a map.
 * @template {Float32Array | Uint8Array} Values
 * @param {Values} values row by row
 * @param {number} width columns of the map
 * @param {{top: number, left: number, height: number, width: number}} part inside the map
 * @param {number} [each] numbers for each pixel
 * @returns {Values}
 */
export function cut(values, width, part, each = 1) {
  const found = new values.constructor(part.height * part.width * each);
  for (let y = 0; y < part.height; y += 1) {
    const from = ((part.top + y) * width + part.left) * each;
    found.set(values.subarray(from, from + part.width * each), y * part.width * each);
  }
  return found;
}
