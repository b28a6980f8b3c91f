/** A channel seen through a kernel: the partial map, for a page that has no server to ask. */

/**
 * Slide a kernel over a channel (cross-correlation; zeros beyond the borders). Sums are kept in double precision and
 * rounded once.
 * @param {object} layer its manifest: kernel_size, stride, padding (top, bottom, left, right), dilation, sizes
 * @param {ArrayLike<number>} input the channel, row by row
 * @param {ArrayLike<number>} kernel
 * @returns {Float32Array} output_size values
 */
export function partialMap(layer, input, kernel) {
  const [height, width] = layer.input_size;
  const [rows, columns] = layer.output_size;
  const sums = new Float64Array(rows * columns);
  const [kh, kw] = layer.kernel_size;
  for (let v = 0; v < kh; v += 1) {
    for (let u = 0; u < kw; u += 1) {
      const weight = kernel[v * kw + u];
      const [above, before] = [v * layer.dilation[0] - layer.padding[0], u * layer.dilation[1] - layer.padding[2]];
      const [firstRow, lastRow] = inside(above, layer.stride[0], height, rows);
      const [first, last] = inside(before, layer.stride[1], width, columns);
      for (let y = firstRow; y < lastRow; y += 1) {
        const from = (y * layer.stride[0] + above) * width + before;
        for (let x = first; x < last; x += 1) sums[y * columns + x] += weight * input[from + x * layer.stride[1]];
      }
    }
  }
  return Float32Array.from(sums);
}

/** The outputs, from the first up to the one after the last, whose input at this offset lies inside the channel. */
function inside(offset, stride, extent, outputs) {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(outputs, Math.ceil((extent - offset) / stride));
  return [first, Math.max(first, last)];
}
