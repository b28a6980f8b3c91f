/** A filter made by hand: from a kernel that someone types to the map that comes out, all of it in the browser. */

import { changed, choosePreset, complaint, setting } from "../../state/play.js";
import { presetOf } from "../../state/presets.js";
import { SLIDES } from "../../state/slide.js";
import { network } from "../../state/store.js";
import { html } from "../html.js";
import { Opening } from "../opening.js";
import { SlideBar } from "../slidebar.js";
import { Bench } from "./bench.js";
import { PlayChain } from "./chain.js";
import { Figures } from "./figures.js";
import { Presets } from "./presets.js";
import { StackFigures, StackView } from "./stack.js";

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function PlayView({ loader }) {
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  const stacked = setting.value.stack > 0;
  return html`<section class="view play" aria-labelledby="play-title" data-preset=${setting.value.preset}>
    <h2 id="play-title">Play with a kernel</h2>
    <p class="lead">A kernel is a small grid of numbers that slides over a picture. At every place the pixels under it are
      multiplied by its numbers and added up: one pixel of the result. Change a number and see.</p>
    <${Presets} />
    <${Words} />
    <${Bench} />
    <p class="complaint" role="alert">${complaint.value}</p>
    ${stacked ? html`<${StackView} /><${StackFigures} />` : html`<${SlideBar} slide=${SLIDES.play} /><${PlayChain} /><${Figures} />`}
  </section>`;
}

/** What the open preset shows, and the way back to it. */
function Words() {
  const { id, title, words } = presetOf(setting.value.preset);
  return html`<p class="preset-words"><b>${title}.</b> ${words}
    ${
      changed.value &&
      html`<span class="muted"> Changed by hand. <button type="button" class="link" onClick=${() => choosePreset(id)}>Back
        to the preset</button></span>`
    }</p>`;
}
