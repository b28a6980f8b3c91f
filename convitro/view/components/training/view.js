/** A training from random noise to what it came to: its curves, a slider over the epochs, and the filters of a layer. */

import { formatShare } from "../../numbers/format.js";
import { layer, live, network } from "../../state/store.js";
import { current, epochs, filterKept, refusal, training, tryAgain } from "../../state/training.js";
import { NoLayers } from "../filterview.js";
import { NotKept } from "../notkept.js";
import { html } from "../html.js";
import { Opening } from "../opening.js";
import { Refused } from "../refused.js";
import { Term } from "../term.js";
import { CloseUp } from "./closeup.js";
import { Curves } from "./curves.js";
import { FilterTiles } from "./tiles.js";
import { NoTraining } from "./none.js";
import { EpochSlider } from "./slider.js";

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function TrainingView({ loader }) {
  if (!network.value) return html`<${Opening} loader=${loader} />`;
  if (!training.value && !refusal.value) return html`<p class="loading">Opening the training …</p>`;
  if (training.value && !training.value.followed) return html`<${NoTraining} />`;
  return html`<section class="view training-view" aria-labelledby="training-title">
    <h2 id="training-title">From random noise to ${current.value === 0 ? "…" : "what it learned"}</h2>
    ${training.value && html`<${Standing} />`}
    ${refusal.value && html`<${Refused} facts=${refusal.value} again=${tryAgain} />`}
    ${training.value && html`<${Curves} /><${Epochs} />`}
  </section>`;
}

/** What is trained on what, how far it is, and what came of it. */
function Standing() {
  const { network: name, data, planned, history, state, kept, test_accuracy: tested } = training.value;
  const done = history.length;
  return html`<p class="lead">
    <span class="training-state" data-state=${state}>${STATES[state] ?? state}</span>
    ${" "}${name} on ${data}: <b>${done}</b> of ${planned} <${Term} word="epoch">epochs</${Term}>.
    ${live.value ? STORIES[state] : (SAVED[state] ?? STORIES[state])}
    ${tested !== null && html` Of pictures that it never saw it names <b>${formatShare(tested)}</b> rightly${kept !== done ? `, with the weights of epoch ${kept}` : ""}.`}
  </p>`;
}

const STATES = { running: "running", silent: "silent", finished: "finished", diverged: "diverged", "stopped early": "stopped early" };
const STORIES = {
  running: " The page looks for news every two seconds; the other views show the network as it was when they were opened.",
  silent: " Nothing new has been written for a while: it may have been broken off. The same command with --resume goes on.",
  diverged: " Its loss became infinite: a smaller learning rate may help.",
  "stopped early": " It no longer became better on the pictures held out.",
};

/** The same of a page that was saved meanwhile. */
const SAVED = {
  running: " It was still running when this page was saved.",
  silent: " When this page was saved nothing new had been written for a while.",
};

function Epochs() {
  if (!epochs.value.length) {
    return html`<p class="loading">This run keeps no filters: only its curves can be shown.</p>`;
  }
  if (!layer.value) return html`<${EpochSlider} /><${NoLayers} />`;
  return html`<${EpochSlider} />
    ${!live.value && html`<p class="muted">Of the filters this page holds ${epochs.value.length > 1 ? "two epochs: the first and the one that was open" : "one epoch"}.</p>`}
    ${filterKept.value ? html`<${CloseUp} /><${FilterTiles} />` : html`<${NotKept} kind="epochFilter">This filter as it was then is</${NotKept}>`}`;
}
