/** The kernel slides over the picture, pixel by pixel, and the result fills behind it. */

import { computed, effect, signal } from "@preact/signals";
import { count, pointed, reached, result } from "./play.js";
import { view } from "./store.js";

const FEWEST_PER_SECOND = 1;
const SHORTEST_S = 3; // at full speed the whole picture takes so long

/** Whether it moves by itself. */
export const sliding = signal(false);

/** How fast, 0 … 1: from one pixel a second to the whole picture in three. */
export const pace = signal(0.6);

const less = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the person asked for less motion: then it goes by hand only. */
export const still = signal(less.matches);
less.addEventListener("change", ({ matches }) => (still.value = matches));

/** Output pixels a second. */
export const perSecond = computed(() => FEWEST_PER_SECOND * Math.max(count() / SHORTEST_S, 1) ** pace.value);

/** Go so many pixels on; at the end everything is shown again. */
export function slideBy(by) {
  if (result.value.empty) return;
  pointed.value = null;
  const next = reached.value === null ? (by > 0 ? 0 : count() - 1) : reached.value + by;
  if (next >= count() || next < 0) stopSliding();
  else reached.value = next;
}

/** Start, go on, or pause. */
export function toggleSliding() {
  if (result.value.empty || still.value) return;
  if (!sliding.value && reached.value === null) reached.value = 0;
  sliding.value = !sliding.value;
}

/** Show the whole result. */
export function stopSliding() {
  sliding.value = false;
  reached.value = null;
}

let frame = 0;

effect(() => {
  cancelAnimationFrame(frame);
  if (!sliding.value) return;
  if (view.value !== "play" || still.value || result.value.empty || reached.peek() === null) {
    sliding.value = false;
    return;
  }
  const rate = perSecond.value;
  let [last, owed] = [performance.now(), 0];
  const move = (now) => {
    owed += (Math.min(now - last, 250) / 1000) * rate; // a hidden page does not leap when it is seen again
    last = now;
    const steps = Math.floor(owed);
    owed -= steps;
    if (steps) slideBy(steps);
    if (sliding.peek()) frame = requestAnimationFrame(move);
  };
  frame = requestAnimationFrame(move);
});
