/** The page from top to bottom: the bar, the chosen view, and what may lie over it. */

import { dragging } from "../state/files.js";
import { choosingModel } from "../state/models.js";
import { saving } from "../state/saving.js";
import { announcement, detailed, helping, picking, view } from "../state/store.js";
import { AggregationView } from "./aggregation/view.js";
import { Banners } from "./banners.js";
import { DetailDialog } from "./detail.js";
import { FilterView } from "./filterview.js";
import { HealthView } from "./health/view.js";
import { Header } from "./header.js";
import { HelpDialog } from "./help.js";
import { html } from "./html.js";
import { LearnView } from "./learn/view.js";
import { TourPanel } from "./learn/panel.js";
import { ModelDialog } from "./models.js";
import { NetworkView } from "./network/view.js";
import { PictureDialog } from "./pictures.js";
import { PlayView } from "./play/view.js";
import { SaveDialog } from "./save/dialog.js";
import { SeesView } from "./sees/view.js";
import { TableView } from "./table/view.js";
import { Bubble } from "./term.js";
import { TrainingView } from "./training/view.js";

const COMPONENTS = {
  network: NetworkView,
  filter: FilterView,
  aggregation: AggregationView,
  sees: SeesView,
  play: PlayView,
  training: TrainingView,
  health: HealthView,
  table: TableView,
  learn: LearnView,
};

/** @param {{loader: import("../state/loader.js").Loader}} props */
export function App({ loader }) {
  const View = COMPONENTS[view.value];
  return html`
    <a class="skip-link" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} />
    <${TourPanel} />
    <main id="main" tabindex="-1" data-view=${view.value}><${View} loader=${loader} /></main>
    ${picking.value && html`<${PictureDialog} loader=${loader} />`} ${helping.value && html`<${HelpDialog} />`}
    ${choosingModel.value && html`<${ModelDialog} loader=${loader} />`} ${saving.value && html`<${SaveDialog} loader=${loader} />`}
    ${detailed.value !== null && html`<${DetailDialog} />`}
    ${dragging.value && html`<div class="drop-here"><p>Drop a picture to show it to the network, or a model file to open it</p></div>`}
    <${Banners} />
    <${Bubble} />
    <div class="only-heard" role="status" aria-live="polite">${announcement}</div>
  `;
}

/** To the open view, without a word to the address: that belongs to what is chosen. */
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}
