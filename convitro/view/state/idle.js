/** What can wait until the page has nothing else to do. */

const LONGEST_MS = 2000;

/**
 * Run something when the page rests, or after two seconds.
 * @param {() => void} run
 * @returns {() => void} not any more
 */
export function whenIdle(run) {
  if (!window.requestIdleCallback) {
    const timer = setTimeout(run, 50);
    return () => clearTimeout(timer);
  }
  const handle = requestIdleCallback(run, { timeout: LONGEST_MS });
  return () => cancelIdleCallback(handle);
}
