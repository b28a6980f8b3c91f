/** Which epoch the page speaks of: a slider, a button that lets them go by, and the epoch in words. */

import { formatShare, format } from "../../numbers/format.js";
import { chooseEpoch, current, epochs, history, playing, stepEpoch, still, togglePlaying, training } from "../../state/training.js";
import { html } from "../html.js";

export function EpochSlider() {
  const at = epochs.value.indexOf(current.value);
  const last = epochs.value.length - 1;
  const choose = (event) => {
    playing.value = false;
    chooseEpoch(epochs.value[Number(event.currentTarget.value)]);
  };
  return html`<div class="epoch-bar" role="group" aria-label="Epoch">
    ${
      still.value || last < 1
        ? html`<${Step} by=${-1} name="One epoch back" sign="‹" off=${at <= 0} /><${Step} by=${1} name="One epoch on" sign="›" off=${at >= last} />`
        : html`<button type="button" class="primary epoch-play" title="Let the epochs go by (x)" onClick=${togglePlaying}>
          ${playing.value ? "❚❚ Pause" : "▶ Play"}</button>`
    }
    <span class="epoch-name" aria-hidden="true">${named(current.value)} <span class="muted">of ${training.value.planned}</span></span>
    <input
      type="range" class="epoch-slider" min="0" max=${last} step="1" value=${at} disabled=${last < 1}
      aria-label="Epoch" aria-valuetext=${spoken(current.value)} title="Earlier and later epochs (, and .)" onInput=${choose}
    />
  </div>`;
}

function Step({ by, name, sign, off }) {
  return html`<button type="button" class="keep" aria-label=${name} disabled=${off} onClick=${() => stepEpoch(by)}>${sign}</button>`;
}

/** What an epoch is called. */
export function named(epoch) {
  return epoch === 0 ? "Before the first epoch" : `After epoch ${epoch}`;
}

/** The epoch and its numbers, for who hears the page. */
function spoken(epoch) {
  const row = history.value.find((each) => each.epoch === epoch);
  if (!row) return named(epoch);
  const held = row.validation_loss === null ? "" : `, held out ${format(row.validation_loss)}, accuracy held out ${formatShare(row.validation_accuracy)}`;
  return `${named(epoch)}: loss ${format(row.loss)}${held}`;
}
