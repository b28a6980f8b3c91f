/** While the network passes many images: how far it is. */

import { looked } from "./sees.js";

const LOOK_AGAIN_MS = 500;

/**
 * Load something for which the network passes many images; meanwhile the page learns how far it is.
 * @template T
 * @param {import("../data/source.js").ServerSource} source
 * @param {() => Promise<T>} load
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export async function watched(source, load, signal) {
  const ask = () => source.looking(signal).then((far) => (looked.value = far), () => {}); // the load itself says what fails
  const timer = setInterval(ask, LOOK_AGAIN_MS);
  try {
    return await load();
  } finally {
    clearInterval(timer);
    looked.value = null;
  }
}
