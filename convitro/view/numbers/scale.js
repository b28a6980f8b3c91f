/** Which colours a map takes: the scale of its column, or its own. */

/**
 * The largest finite magnitude.
 * @param {ArrayLike<number>} values
 */
export function limitOf(values) {
  let limit = 0;
  for (let i = 0; i < values.length; i += 1) {
    const size = Math.abs(values[i]);
    if (size > limit && size !== Infinity) limit = size;
  }
  return limit;
}

/**
 * The scale of a signed map around zero.
 * @param {number | null} shared the limit of the column, or null for the map's own
 * @param {ArrayLike<number>} values
 * @returns {import("./colour.js").Scale}
 */
export function signedScale(shared, values) {
  return { kind: "diverging", limit: shared ?? limitOf(values) };
}

/**
 * The scale of a layer's input channels: grey where they are the picture itself.
 * @param {object} layer
 * @param {object} inputs document of the channels
 * @param {ArrayLike<number> | null} values a channel with its own scale, or null for the shared one
 * @returns {import("./colour.js").Scale}
 */
export function inputScale(layer, inputs, values) {
  if (!layer.raw_input) return signedScale(values ? null : inputs.limit, values ?? []);
  if (values) return { kind: "grey", ...extremes(values) };
  const plain = inputs.lowest >= 0 && inputs.highest <= 1;
  return { kind: "grey", low: plain ? 0 : inputs.lowest, high: plain ? 1 : inputs.highest };
}

function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/**
 * What a channel is called.
 * @param {object} layer
 * @param {number} channel its number in the whole input
 */
export function channelName(layer, channel) {
  if (!layer.raw_input) return String(channel);
  return layer.in_channels === 3 ? ["red", "green", "blue"][channel] : "grey";
}
