/** The kernel slides: play, step, speed. */

import { formatCount } from "../numbers/format.js";
import { pace, still } from "../state/slide.js";
import { html } from "./html.js";

/** @param {{slide: import("../state/slide.js").Slide}} props */
export function SlideBar({ slide }) {
  if (!slide.count()) return html`<div class="slide-bar muted">Nothing to slide over.</div>`;
  return html`<div class="slide-bar" role="group" aria-label="Slide the kernel">
    ${still.value ? html`<span class="muted">Your system asks for less motion: step by hand.</span>` : html`<${PlayButton} slide=${slide} />`}
    <button type="button" class="tool" aria-label="One place back" title="One place back (,)" onClick=${() => slide.by(-1)}>‹ back</button>
    <button type="button" class="tool" aria-label="One place on" title="One place on (.)" onClick=${() => slide.by(1)}>step ›</button>
    ${
      !still.value &&
      html`<label class="slide-pace">slow <input type="range" min="0" max="1" step="0.05" value=${pace.value} aria-label="Speed"
        aria-valuetext="${formatCount(Math.round(slide.perSecond.value))} pixels a second" onInput=${(event) => (pace.value = Number(event.currentTarget.value))} /> fast</label>`
    }
    <${Reached} slide=${slide} />
  </div>`;
}

/** Alone, because what it says depends on where the kernel is. */
function PlayButton({ slide }) {
  return html`<button type="button" class="tool slide-play" title="Slide the kernel over the picture (x)" onClick=${() => slide.toggle()}>
    ${slide.sliding.value ? "❚❚ Pause" : slide.reached.value === null ? "▶ Slide the kernel" : "▶ Go on"}</button>`;
}

/** How far it is, alone, because it changes with every pixel. */
function Reached({ slide }) {
  const [count, reached] = [slide.count(), slide.reached.value];
  if (reached === null) return html`<span class="slide-reached muted">${formatCount(count)} places<span class="slide-more">, one for each output pixel</span></span>`;
  return html`<span class="slide-reached">place ${formatCount(reached + 1)} of ${formatCount(count)}
    ${" "}<button type="button" class="link" onClick=${() => slide.stop()}>show all</button></span>`;
}
