/** Switch to another network, or open a model file. */

import { useEffect, useRef } from "preact/hooks";
import { chooseModel, choosingModel, MODEL_FILES, modelFile, modelProblem, models, opening, openModelFile, takes } from "../state/models.js";
import { modelId } from "../state/store.js";
import { Dialog } from "./dialog.js";
import { html } from "./html.js";
import { Reason } from "./refused.js";

const FIELDS = [
  { key: "input", label: "input size", placeholder: "found out", words: "channels x height x width, such as 3x224x224" },
  { key: "mean", label: "mean", placeholder: "0", words: "subtracted from values 0 to 1; one number, or one for each channel: 0.485, 0.456, 0.406" },
  { key: "std", label: "deviation", placeholder: "1", words: "what then divides them: 0.229, 0.224, 0.225" },
];

/** @param {{loader: import("../state/loader.js").Loader}} props */
export function ModelDialog({ loader }) {
  const file = useRef(null);
  useEffect(() => void loader.loadModels(), []);
  const close = () => {
    loader.withdraw("model");
    choosingModel.value = false;
    modelProblem.value = null;
  };
  const take = () => {
    openModelFile(loader, file.current.files[0]);
    file.current.value = ""; // the same file once more is a new choice
  };
  return html`<${Dialog} class="model-dialog" title="Open a model" onClose=${close}>
    <div class="own-picture">
      <button type="button" class="primary" autofocus disabled=${opening.value !== ""} onClick=${() => file.current.click()}>A model file …</button>
      <input ref=${file} type="file" accept=${MODEL_FILES} class="only-heard" tabindex="-1" aria-label="A model file" onChange=${take} />
      <p class="muted">or drop one anywhere on the page: ONNX, torch.export (.pt2), Keras (.keras, .h5); at most 512 MB. Nothing in
        it is run, and it never leaves this machine.</p>
    </div>
    <${Opening} loader=${loader} />
    ${models.value ? html`<${List} />` : html`<p class="loading">Fetching the models …</p>`}
  </${Dialog}>`;
}

/** How the file does that was chosen last, and what its model takes. */
function Opening({ loader }) {
  const { problem, expected } = modelProblem.value ?? {};
  return html`<div class="model-opening">
    ${opening.value && html`<p role="status">Opening ${opening} … <progress aria-label="Opening ${opening}"></progress></p>`}
    ${problem && html`<div class="model-problem" role="alert"><p><${Reason} ...${modelProblem.value} /></p></div>`}
    <details open=${/input|mean|std/.test(`${problem} ${expected}`)}>
      <summary>What the model takes, where it cannot be found out</summary>
      <div class="model-takes">
        ${FIELDS.map(
          ({ key, label, placeholder, words }) => html`<label key=${key}><span>${label}</span>
            <input type="text" autocomplete="off" spellcheck=${false} placeholder=${placeholder} value=${takes.value[key]} aria-describedby="takes-${key}"
              onInput=${(event) => (takes.value = { ...takes.value, [key]: event.target.value })} />
            <small id="takes-${key}" class="muted">${words}</small></label>`,
        )}
        ${
          modelFile.value &&
          html`<button type="button" class="keep" disabled=${opening.value !== ""} onClick=${() => openModelFile(loader, modelFile.value)}>Open
            ${" "}${modelFile.value.name} again</button>`
        }
      </div>
    </details>
  </div>`;
}

function List() {
  return html`<ul class="model-list" aria-label="Models">
    ${models.value.map(({ id, name, input_size: size, classes, opened }, index) => {
      const own = index === 0 ? "" : id;
      const [channels, height, width] = size;
      const open = own === modelId.value;
      return html`<li key=${id}><button type="button" class="model-choice" aria-current=${open ? "true" : undefined} onClick=${() => chooseModel(own)}>
        <b>${name}</b><span class="muted">${channels} × ${height} × ${width}${classes ? `, ${classes} classes` : ""}${opened ? ", from a file" : ""}</span>
      </button></li>`;
    })}
  </ul>`;
}
