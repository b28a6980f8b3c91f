/** How far rows are from the screen: those on it follow the pointer, those near it have their maps drawn. */

import { computed, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { whole } from "../state/store.js";

const shown = sighting("80px");
const near = sighting("100%"); // a screen further up and down

/** Signals of elements that say whether they are within a distance of the screen. */
function sighting(rootMargin) {
  const signals = new WeakMap(); // element -> signal
  const observer = new IntersectionObserver(
    (entries) => entries.forEach(({ target, isIntersecting }) => (signals.get(target).value = isIntersecting)),
    { rootMargin },
  );
  return {
    watch(element, seen) {
      signals.set(element, seen);
      observer.observe(element);
      return () => observer.unobserve(element);
    },
  };
}

/**
 * A signal that says whether an element is near the screen.
 * @param {{current: Element}} ref
 * @returns {{value: boolean}}
 */
export function useVisible(ref) {
  return useSighting(ref, shown);
}

/**
 * A signal that says whether an element is within a screen of the screen.
 * @param {{current: Element}} ref
 * @returns {{value: boolean}}
 */
export function useNear(ref) {
  return useSighting(ref, near);
}

function useSighting(ref, { watch }) {
  const seen = useMemo(() => signal(false), []);
  useEffect(() => watch(ref.current, seen), []);
  return useMemo(() => computed(() => seen.value || whole.value), []);
}
