/** The open step of a tour: what it says, and the way on. It stands beside what it speaks of, and the page stays usable. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { leaveTour, openPlace, openStep, openTour, pointedAt, returnToStep, spoken, stepsOf, turnStep, wandered } from "../../state/tour.js";
import { html } from "../html.js";
import { Spotlight } from "./spotlight.js";

export function TourPanel() {
  return openStep.value ? html`<${Step} />` : null;
}

function Step() {
  const panel = useRef(null);
  const { title, words, missing } = spoken.value;
  const { tour, number } = openPlace.value;
  const count = stepsOf(openTour.value).length;
  const lost = wandered.value;
  useLayoutEffect(() => {
    const light = new Spotlight(panel.current, () => (missing || lost ? "" : pointedAt()));
    return () => light.end();
  }, [tour, number, missing, lost]);
  return html`<section ref=${panel} class="tour" aria-label="Tour: ${openTour.value.title}" data-step="${tour}.${number}" data-lost=${lost} data-ready=${words !== null}>
    <${Progress} count=${count} number=${number} />
    <div class="tour-body">
      <h2>${title}</h2>
      <p class="tour-words" data-missing=${missing}>${words === null ? html`<span class="muted">One moment: the numbers are on their way …</span>` : styled(words)}</p>
    </div>
    <div class="tour-foot">
      <button type="button" class="tool tour-back" disabled=${number === 1} title="Previous step (← or b)" onClick=${() => turnStep(-1)}>‹ Back</button>
      ${lost && html`<span class="tour-lost">You wandered off. <button type="button" class="link" onClick=${returnToStep}>Back to the step</button></span>`}
      <button type="button" class="primary tour-next" title="Next step (→ or n)" onClick=${() => turnStep(1)}>${number === count ? "Done" : "Next ›"}</button>
    </div>
    <${Heard} key="${tour}.${number}" text=${words && `Step ${number} of ${count}: ${title}. ${plain(words)}`} />
  </section>`;
}

function Progress({ count, number }) {
  return html`<div class="tour-head">
    <span class="tour-name">${openTour.value.title}</span>
    <span class="tour-count muted">step ${number} of ${count}</span>
    <span class="tour-dots" aria-hidden="true">${Array.from({ length: count }, (_, at) => html`<i key=${at} data-done=${at < number}></i>`)}</span>
    <button type="button" class="quiet round" aria-label="Leave the tour" title="Leave the tour (Esc)" onClick=${() => leaveTour()}>×</button>
  </div>`;
}

/** What a screen reader hears, once for each step: the numbers that follow the pointer are for eyes. */
function Heard({ text }) {
  const [said, say] = useState("");
  useEffect(() => {
    if (text && !said) say(text);
  }, [text]);
  return html`<div class="only-heard" role="status">${said}</div>`;
}

/** **Bold** and `code` in the words of a step. */
function styled(words) {
  return words.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
    if (part.startsWith("**")) return html`<b>${part.slice(2, -2)}</b>`;
    return part.startsWith("`") ? html`<code>${part.slice(1, -1)}</code>` : part;
  });
}

function plain(words) {
  return words.replace(/\*\*|`/g, "");
}
