/** Which rows are on the screen: only those follow the pointer. */

import { computed, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { whole } from "../state/store.js";

const shown = new WeakMap(); // element -> signal

const observer = new IntersectionObserver(
  (entries) => entries.forEach(({ target, isIntersecting }) => (shown.get(target).value = isIntersecting)),
  { rootMargin: "80px" },
);

/**
 * A signal that says whether an element is near the screen.
 * @param {{current: Element}} ref
 */
export function useVisible(ref) {
  const visible = useMemo(() => signal(false), []);
  useEffect(() => {
    const element = ref.current;
    shown.set(element, visible);
    observer.observe(element);
    return () => observer.unobserve(element);
  }, []);
  return useMemo(() => computed(() => visible.value || whole.value), []);
}
