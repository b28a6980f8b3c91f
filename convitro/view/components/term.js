/** Words with an explanation: dotted, and the bubble that explains them on hover, focus or touch. */

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { WORDS } from "../words.js";
import { html } from "./html.js";

const bubble = signal(null); // {text, rect}
const BUBBLE_ID = "explanation";

/**
 * A word of the glossary.
 * @param {{word: string, children?: any}} props `word` is a key of WORDS; the children are what stands on the page
 */
export function Term({ word, children }) {
  const show = (event) => (bubble.value = { text: WORDS[word], rect: event.currentTarget.getBoundingClientRect() });
  const hide = () => (bubble.value = null);
  return html`<button
    type="button"
    class="term"
    aria-describedby=${BUBBLE_ID}
    onMouseEnter=${show}
    onMouseLeave=${hide}
    onFocus=${show}
    onBlur=${hide}
    onClick=${show}
    onKeyDown=${(event) => {
      if (event.key !== "Escape" || bubble.value === null) return;
      event.preventDefault(); // it closes the bubble and nothing else
      hide();
    }}
  >${children ?? word}</button>`;
}

/** The one bubble of the page; it is placed where there is room. */
export function Bubble() {
  const box = useRef(null);
  const shown = bubble.value;
  useLayoutEffect(() => {
    if (!shown || !box.current) return;
    const { offsetWidth: width, offsetHeight: height, style } = box.current;
    const left = Math.min(Math.max(shown.rect.left + shown.rect.width / 2 - width / 2, 8), innerWidth - width - 8);
    const below = shown.rect.bottom + 8 + height < innerHeight;
    style.left = `${left}px`;
    style.top = `${below ? shown.rect.bottom + 8 : shown.rect.top - height - 8}px`;
  }, [shown]);
  useEffect(() => {
    const hide = () => (bubble.value = null);
    addEventListener("scroll", hide, { passive: true, capture: true });
    return () => removeEventListener("scroll", hide, { capture: true });
  }, []);
  return html`<div ref=${box} id=${BUBBLE_ID} class="bubble" role="tooltip" data-open=${shown !== null}>
    ${shown?.text}
  </div>`;
}
