/** Starts the page: settings, address, data, keys, then the first paint. */

import { render } from "preact";
import { effect } from "@preact/signals";
import { App } from "./components/app.js";
import { html } from "./components/html.js";
import { EmbeddedSource } from "./data/embedded.js";
import { ServerSource } from "./data/source.js";
import { recall } from "./state/actions.js";
import { followAddress, showAddress } from "./state/address.js";
import { followAnswer } from "./state/answer.js";
import { followAggregations } from "./state/aggregations.js";
import { followCompared } from "./state/compared.js";
import { followKeys } from "./state/keys.js";
import { followFiles } from "./state/files.js";
import { Loader } from "./state/loader.js";
import { followTour } from "./state/tour.js";
import { followTraining } from "./state/training.js";
import { brought, live, network, shortcuts, theme } from "./state/store.js";

live.value = !EmbeddedSource.isIn(document);
if (live.value) showAddress(location.hash, true); // the token has become a cookie: out of sight with it
else if (!location.hash && document.documentElement.dataset.opening) {
  showAddress(`#${document.documentElement.dataset.opening}`, true); // where the person was who saved this page
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
theme.value = recall("theme") ?? (prefersDark.matches ? "dark" : "light");
prefersDark.addEventListener("change", ({ matches }) => {
  if (recall("theme") === null) theme.value = matches ? "dark" : "light";
});
shortcuts.value = recall("shortcuts") !== "false";
effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

const source = live.value ? new ServerSource(() => network.value?.model ?? "") : new EmbeddedSource(document);
if (!live.value) brought.value = source.keys();
const loader = new Loader(source);
followAddress();
loader.follow();
followTour();
followKeys();
followCompared(loader);
followAnswer(loader);
followAggregations(loader);
followTraining(loader);
if (live.value) followFiles(loader);

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} loader=${loader} />`, root);
