/** Five questions about convolution layers, each with the tour that answers it. */

import { network } from "../../state/store.js";
import { canShow, openPlace, startTour, stepsOf } from "../../state/tour.js";
import { TOURS } from "../../state/tours/all.js";
import { html } from "../html.js";
import { Opening } from "../opening.js";

const MINUTES_PER_STEP = 0.5;

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function LearnView({ loader }) {
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  return html`<section class="view learn" aria-labelledby="learn-title">
    <h2 id="learn-title">Five questions</h2>
    <p class="lead">People ask these again and again, here in their own words. A short tour answers each of them with the network
      that is open now, <b>${network.value.name}</b>: it moves the real views, and every number is computed, not told.
      Point, click and change things on the way.</p>
    <ol class="questions">
      ${TOURS.map((tour, index) => html`<${Question} key=${tour.id} tour=${tour} number=${index + 1} />`)}
    </ol>
  </section>`;
}

function Question({ tour, number }) {
  const steps = stepsOf(tour);
  const told = steps.filter((step) => !canShow(step)).length;
  const open = openPlace.value?.tour === tour.id ? openPlace.value.number : null;
  return html`<li class="question" data-tour=${tour.id}>
    <h3><span class="question-number" aria-hidden="true">${number}</span> ${tour.title}</h3>
    <blockquote>${tour.question}</blockquote>
    <p><b>You will see</b> ${inSentence(tour.seen)}</p>
    <div class="question-foot">
      <button type="button" class="primary" aria-label="${open ? "Go on with" : "Start"} the tour: ${tour.title}" onClick=${() => begin(tour, open ?? 1)}>
        ${open ? `Go on at step ${open}` : "Start"}</button>
      <span class="muted">${steps.length} steps, about ${Math.ceil(steps.length * MINUTES_PER_STEP)} minutes${
        told > 0 ? `; ${told} of them only told here, for want of a server` : ""
      }</span>
    </div>
  </li>`;
}

/** A sentence that goes on after other words. */
function inSentence(text) {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Open the tour; the button goes with this view, so the focus moves on to the tour's own. */
function begin({ id }, number) {
  startTour(id, number);
  requestAnimationFrame(() => document.querySelector(".tour-next")?.focus({ preventScroll: true }));
}
