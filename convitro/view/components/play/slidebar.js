/** The kernel slides: play, step, speed. */

import { formatCount } from "../../numbers/format.js";
import { count, reached, result } from "../../state/play.js";
import { pace, perSecond, slideBy, sliding, still, stopSliding, toggleSliding } from "../../state/slide.js";
import { html } from "../html.js";

export function SlideBar() {
  if (result.value.empty) return html`<div class="slide-bar muted">Nothing to slide over.</div>`;
  return html`<div class="slide-bar" role="group" aria-label="Slide the kernel">
    ${
      still.value
        ? html`<span class="muted">Your system asks for less motion: step by hand.</span>`
        : html`<button type="button" class="tool slide-play" title="Slide the kernel over the picture (x)" onClick=${toggleSliding}>
          ${sliding.value ? "❚❚ Pause" : reached.value === null ? "▶ Slide the kernel" : "▶ Go on"}</button>`
    }
    <button type="button" class="tool" aria-label="One place back" title="One place back (,)" onClick=${() => slideBy(-1)}>‹ back</button>
    <button type="button" class="tool" aria-label="One place on" title="One place on (.)" onClick=${() => slideBy(1)}>step ›</button>
    ${
      !still.value &&
      html`<label class="slide-pace">slow <input type="range" min="0" max="1" step="0.05" value=${pace.value} aria-label="Speed"
        aria-valuetext="${formatCount(Math.round(perSecond.value))} pixels a second" onInput=${(event) => (pace.value = Number(event.currentTarget.value))} /> fast</label>`
    }
    <${Reached} />
  </div>`;
}

/** How far it is, alone, because it changes with every pixel. */
function Reached() {
  if (reached.value === null) return html`<span class="slide-reached muted">${formatCount(count())} places, one for each output pixel</span>`;
  return html`<span class="slide-reached">place ${formatCount(reached.value + 1)} of ${formatCount(count())}
    ${" "}<button type="button" class="link" onClick=${stopSliding}>show all</button></span>`;
}
