/** The document format: 4 bytes length, JSON manifest, raw little-endian arrays (see document.py). */

const parted = new WeakMap(); // stack -> its maps
const VIEWS = { float32: Float32Array, uint8: Uint8Array };

/**
 * Read a document without copying its arrays.
 * @param {ArrayBuffer} buffer
 * @returns {object} the manifest; `arrays` maps names to {values, shape}
 */
export function readDocument(buffer) {
  const start = 4 + new DataView(buffer).getUint32(0, true);
  const manifest = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, start - 4)));
  const arrays = {};
  for (const [name, { dtype, shape, offset }] of Object.entries(manifest.arrays)) {
    const count = shape.reduce((product, size) => product * size, 1);
    arrays[name] = { values: new VIEWS[dtype](buffer, start + offset, count), shape };
  }
  return { ...manifest, arrays };
}

/**
 * One map out of a stack of maps, without copying; asked again, the same array, so that it can be told from another.
 * @param {{values: Float32Array, shape: number[]}} stack (C, H, W)
 * @param {number} index
 * @returns {Float32Array}
 */
export function mapOf(stack, index) {
  if (!parted.has(stack)) parted.set(stack, []);
  const known = parted.get(stack);
  const [, height, width] = stack.shape;
  known[index] ??= stack.values.subarray(index * height * width, (index + 1) * height * width);
  return known[index];
}
