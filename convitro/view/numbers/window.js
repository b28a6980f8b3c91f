/** Where things lie: which input pixels an output pixel reads, which output a pooled pixel came from, and back. */

/**
 * @typedef {{y: number, x: number}} Pixel
 * @typedef {{top: number, left: number, height: number, width: number}} Box in pixels of one map
 */

/**
 * The box of input pixels that one output pixel reads; it may reach beyond the image into the padding.
 * @param {object} layer manifest of the layer
 * @param {Pixel} pixel of the output
 * @returns {Box}
 */
export function windowBox(layer, { y, x }) {
  const [kh, kw] = layer.kernel_size;
  const [dh, dw] = layer.dilation;
  return {
    top: y * layer.stride[0] - layer.padding[0],
    left: x * layer.stride[1] - layer.padding[2],
    height: (kh - 1) * dh + 1,
    width: (kw - 1) * dw + 1,
  };
}

/**
 * The output pixel whose window is centred nearest to an input pixel.
 * @param {object} layer
 * @param {Pixel} pixel of the input
 * @returns {Pixel}
 */
export function outputNear(layer, { y, x }) {
  const { height, width } = windowBox(layer, { y: 0, x: 0 });
  const near = (at, extent, pad, stride) => Math.round((at + pad - (extent - 1) / 2) / stride);
  return clamp(
    {
      y: near(y, height, layer.padding[0], layer.stride[0]),
      x: near(x, width, layer.padding[2], layer.stride[1]),
    },
    layer.output_size,
  );
}

/**
 * The box of feature-map pixels that one pooled pixel reads.
 * @param {object} pool manifest of the pooling
 * @param {Pixel} cell of the pooled map
 * @returns {Box}
 */
export function poolBox(pool, { y, x }) {
  return {
    top: y * pool.stride[0] - pool.padding[0],
    left: x * pool.stride[1] - pool.padding[1],
    height: (pool.kernel_size[0] - 1) * pool.dilation[0] + 1,
    width: (pool.kernel_size[1] - 1) * pool.dilation[1] + 1,
  };
}

/**
 * The pixel of the feature map that won a pooling window.
 * @param {object} pool
 * @param {ArrayLike<number>} switches row-major places inside each window
 * @param {Pixel} cell of the pooled map
 * @returns {Pixel}
 */
export function winnerOf(pool, switches, cell) {
  const box = poolBox(pool, cell);
  const place = switches[cell.y * pool.output_size[1] + cell.x];
  const columns = pool.kernel_size[1];
  return {
    y: box.top + Math.floor(place / columns) * pool.dilation[0],
    x: box.left + (place % columns) * pool.dilation[1],
  };
}

/**
 * The pooled pixel that a feature-map pixel takes part in: one that it wins where windows overlap, else the nearest.
 * @param {object} pool
 * @param {ArrayLike<number> | undefined} switches
 * @param {Pixel} pixel of the feature map
 * @returns {{cell: Pixel, box: Box, wins: boolean} | null} null where no window reaches the pixel
 */
export function poolPlace(pool, switches, pixel) {
  const rows = cellsOver(pixel.y, 0, pool);
  const columns = cellsOver(pixel.x, 1, pool);
  let best = null;
  for (const y of rows) {
    for (const x of columns) {
      const cell = { y, x };
      const box = poolBox(pool, cell);
      const winner = switches ? winnerOf(pool, switches, cell) : null;
      const wins = winner !== null && winner.y === pixel.y && winner.x === pixel.x;
      const distance =
        Math.abs(pixel.y - box.top - (box.height - 1) / 2) + Math.abs(pixel.x - box.left - (box.width - 1) / 2);
      const rank = wins ? -1 : distance;
      if (best === null || rank < best.rank) best = { cell, box, wins, rank };
    }
  }
  return best && { cell: best.cell, box: best.box, wins: best.wins };
}

/** The pooled rows (axis 0) or columns (axis 1) whose windows hold a position. */
function cellsOver(at, axis, pool) {
  const stride = pool.stride[axis];
  const dilation = pool.dilation[axis];
  const cells = [];
  for (let tap = 0; tap < pool.kernel_size[axis]; tap += 1) {
    const start = at + pool.padding[axis] - tap * dilation;
    const cell = start / stride;
    if (Number.isInteger(cell) && cell >= 0 && cell < pool.output_size[axis]) cells.push(cell);
  }
  return cells;
}

/**
 * A pixel moved inside a map.
 * @param {Pixel} pixel
 * @param {[number, number]} size rows and columns
 * @returns {Pixel}
 */
export function clamp({ y, x }, [height, width]) {
  const inside = (value, size) => Math.min(Math.max(value, 0), size - 1);
  return { y: inside(y, height), x: inside(x, width) };
}

/**
 * A pixel of a map by its place in reading order.
 * @param {number} at
 * @param {[number, number]} size rows and columns
 * @returns {Pixel}
 */
export function pixelAt(at, [, width]) {
  return { y: Math.floor(at / width), x: at % width };
}

/**
 * A map of which only the first pixels are there yet.
 * @param {number | null} reached the last one, in reading order; null shows all
 * @param {Float32Array} values
 */
export function shownTo(reached, values) {
  return reached === null ? values : values.map((value, at) => (at <= reached ? value : NaN));
}

/**
 * A pooled map of which only the windows are there whose pixels are all there.
 * @param {number | null} reached the last pixel of the feature map, in reading order; null shows all
 * @param {Float32Array} values
 * @param {object} layer
 * @param {object} pool
 */
export function pooledTo(reached, values, layer, pool) {
  if (reached === null) return values;
  const [height, width] = layer.output_size;
  return values.map((value, at) => {
    const box = poolBox(pool, pixelAt(at, pool.output_size));
    const last = clamp({ y: box.top + box.height - 1, x: box.left + box.width - 1 }, [height, width]);
    return last.y * width + last.x <= reached ? value : NaN;
  });
}
