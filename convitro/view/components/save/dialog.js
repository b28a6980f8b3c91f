/** Take something away: the open view as a picture or as numbers, the whole session as one file. */

import { announcement, live, view, whole } from "../../state/store.js";
import { fileName, hasNumbers, making, numbersOfView, saving, sessionName, viewInWords } from "../../state/saving.js";
import { asCsv } from "../../state/table.js";
import { Dialog } from "../dialog.js";
import { download } from "../download.js";
import { html } from "../html.js";
import { pngOf, svgOf } from "./snapshot.js";

/** @param {{loader: import("../../state/loader.js").Loader}} props */
export function SaveDialog({ loader }) {
  const close = () => {
    loader.withdraw("session");
    saving.value = false;
  };
  const kinds = [
    { key: "png", title: "This view as PNG", words: "a picture of all of it, at twice its size on the screen", make: savePng },
    { key: "svg", title: "This view as SVG", words: "the same picture, sharp at any size; its text stays text", make: saveSvg },
    ...(hasNumbers()
      ? [{ key: "json", title: "Its numbers as JSON", words: "every array behind this view, with all digits", make: saveJson }]
      : []),
    ...(view.value === "table" && hasNumbers()
      ? [{ key: "csv", title: "The table as CSV", words: "in the order shown, for a spreadsheet", make: saveCsv }]
      : []),
    ...(live.value ? [{ key: "html", title: "This session as one HTML file", words: SESSION, make: () => saveSession(loader) }] : []),
  ];
  return html`<${Dialog} class="save-dialog" title="Save" onClose=${close}>
    <p class="muted">${viewInWords()}</p>
    <ul class="save-list">
      ${kinds.map(
        ({ key, title, words, make }, index) => html`<li key=${key}>
          <button type="button" class="save-choice" data-kind=${key} autofocus=${index === 0} disabled=${making.value !== ""} onClick=${() => void run(key, make)}>
            <b>${title}</b><span class="muted">${words}</span>
            ${making.value === key && html`<progress aria-label="Making it"></progress>`}
          </button>
        </li>`,
      )}
    </ul>
    ${!hasNumbers() && html`<p class="muted">${NO_NUMBERS[view.value] ?? "Its numbers are not here yet."}</p>`}
    ${!live.value && html`<p class="muted">This page is one HTML file already.</p>`}
  </${Dialog}>`;
}

const SESSION =
  "opens from disk where you are now: every layer, map and pixel of this picture and of those compared with it, the open " +
  "filter under every aggregation, the table. What the network answered then, What it sees and Health as far as you have " +
  "looked at them; of a training its curves and two epochs. 20 MB at most, so of a large network some filters only";

const NO_NUMBERS = {
  learn: "Learn has no numbers of its own: its tours open the views that have.",
  training: "There is no training whose numbers could be saved.",
};

/** One thing at a time; what comes of it is said, or why nothing did. */
async function run(key, make) {
  making.value = key;
  try {
    const name = await make();
    if (name) announcement.value = `Saved as ${name}`;
    if (name) saving.value = false;
  } finally {
    making.value = "";
  }
}

function saveJson() {
  return kept(fileName("json"), numbersOfView(), "application/json");
}

function saveCsv() {
  return kept(fileName("csv"), asCsv(), "text/csv");
}

async function saveSvg() {
  const { text } = await picture();
  return kept(fileName("svg"), text, "image/svg+xml");
}

async function savePng() {
  return kept(fileName("png"), await pngOf(await picture()), "image/png");
}

async function saveSession(loader) {
  const name = sessionName();
  const page = await loader.session();
  return page && kept(name, page, "text/html");
}

function kept(name, content, type) {
  download(name, content, type);
  return name;
}

/** The whole view, drawn also where it is off the screen. */
async function picture() {
  whole.value = true;
  try {
    await drawn();
    return svgOf(document.querySelector("main"), `Convitro: ${viewInWords()}`);
  } finally {
    whole.value = false;
  }
}

/** Resolves when what was rendered has been painted, and its canvases after it. */
async function drawn() {
  for (let frames = 0; frames < 3; frames += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
}
