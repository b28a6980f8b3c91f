/** The colours of the large result, and what they mean. */

import { change, setting } from "../../state/play.js";
import { html } from "../html.js";
import { Legend } from "../legend.js";
import { Radios } from "../radios.js";

const LOOKS = [
  { key: "signed", label: "around 0: blue below, orange above", body: "around 0" },
  { key: "grey", label: "as a picture: 0 is black, what the kernel makes of a white area is white", body: "as a picture" },
];

/** @param {{scale: import("../../numbers/colour.js").Scale}} props */
export function Look({ scale }) {
  return html`<span class="bench-look">
    <${Legend} scale=${scale} />
    <${Radios} label="Colours of the result" items=${LOOKS} chosen=${setting.value.look}
      onChoose=${(key) => change({ look: key })} />
  </span>`;
}
