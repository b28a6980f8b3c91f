/** From partial maps to the map that a filter hands on: a few simple aggregations, bias, activation, pooling. */

/** The aggregations that this page computes itself: how two values become one, and what is done at the end. */
const AGGREGATIONS = {
  sum: { step: (a, b) => a + b },
  mean: { step: (a, b) => a + b, finish: (sum, count) => sum / count },
  max: { step: (a, b) => (b > a ? b : a) },
  min: { step: (a, b) => (b < a ? b : a) },
  maxabs: { step: (a, b) => (Math.abs(b) > Math.abs(a) ? b : a) },
};

/** Their names. */
export const SIMPLE_AGGREGATIONS = Object.keys(AGGREGATIONS);

/** The activations that this page computes itself. */
export const ACTIVATIONS = ["none", "relu"];

/**
 * Partial maps become one, pixel by pixel.
 * @param {Float32Array[]} maps all of one size
 * @param {string} name one of SIMPLE_AGGREGATIONS
 * @returns {Float32Array}
 */
export function aggregate(maps, name) {
  const { step, finish = (value) => value } = AGGREGATIONS[name];
  return Float32Array.from(maps[0], (first, at) => {
    let value = first;
    for (let index = 1; index < maps.length; index += 1) value = step(value, maps[index][at]);
    return finish(value, maps.length);
  });
}

/**
 * Bias and activation.
 * @param {Float32Array} map
 * @param {number} bias
 * @param {"none" | "relu"} activation
 * @returns {Float32Array}
 */
export function activate(map, bias, activation) {
  const relu = activation === "relu";
  return map.map((value) => (relu ? Math.max(value + bias, 0) : value + bias));
}

/**
 * The manifest of a max-pooling over windows that do not overlap.
 * @param {number} side of the window
 * @param {number[]} size of the map that is pooled
 */
export function poolGeometry(side, size) {
  return {
    mode: "max",
    kernel_size: [side, side],
    stride: [side, side],
    padding: [0, 0],
    dilation: [1, 1],
    output_size: size.map((extent) => Math.floor(extent / side)),
  };
}

/**
 * The largest value of every window, and which pixel it was.
 * @param {object} pool manifest
 * @param {Float32Array} map
 * @param {number} width columns of the map
 * @returns {{values: Float32Array, switches: Uint8Array}} switches are places inside the window, row by row
 */
export function maxPool(pool, map, width) {
  const [rows, columns] = pool.output_size;
  const [side] = pool.kernel_size;
  const values = new Float32Array(rows * columns);
  const switches = new Uint8Array(rows * columns);
  for (let y = 0, at = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1, at += 1) {
      const corner = y * side * width + x * side;
      let best = 0;
      for (let place = 1; place < side * side; place += 1) {
        if (inWindow(map, corner, place, side, width) > inWindow(map, corner, best, side, width)) best = place;
      }
      values[at] = inWindow(map, corner, best, side, width);
      switches[at] = best;
    }
  }
  return { values, switches };
}

function inWindow(map, corner, place, side, width) {
  return map[corner + Math.floor(place / side) * width + (place % side)];
}
