/** A map whose pixels, where they are large enough, have their numbers written in them. */

import { cellColours } from "../../numbers/colour.js";
import { formatShort } from "../../numbers/format.js";
import { theme } from "../../state/store.js";
import { html } from "../html.js";
import { MapView } from "../map.js";

const MOST = 9; // rows or columns of a map with numbers

/**
 * What a `MapView` takes, and `digits`: the maps whose numbers are written, where they are not the shown values;
 * `most`: up to how many rows and columns.
 */
export function PlayMap({ digits, most = MOST, ...map }) {
  const written = digits ?? [map.values];
  const fits = Math.max(...map.size) * (written.length > 1 ? 2.5 : 1) <= most;
  return html`<div class="play-map">
    <${MapView} ...${map} />
    ${fits && html`<${Digits} maps=${written} size=${map.size} scale=${map.scale} picture=${map.picture} />`}
  </div>`;
}

function Digits({ maps, size: [height, width], scale, picture }) {
  const side = Math.max(height, width);
  const style = { width: `${(width / side) * 100}%`, height: `${(height / side) * 100}%`, "--columns": width, "--lines": maps.length };
  const colours = theme.value;
  const ink = (at) => (picture ? inkUpon(picture, at) : cellColours(maps[0][at], scale, colours).text);
  return html`<div class="map-digits" style=${style} aria-hidden="true"><div class="map-digits-grid">${Array.from(
    maps[0],
    (_, at) => html`<span key=${at} style=${{ color: ink(at) }}>${maps.map((map) => html`<i>${write(map[at])}</i>`)}</span>`,
  )}</div></div>`;
}

function write(value) {
  return Number.isNaN(value) ? "" : formatShort(value);
}

/** Black or white, whichever reads better upon a pixel of a picture. */
function inkUpon({ values, shape: [, , count] }, at) {
  const [red, green, blue] = [0, 1, 2].map((channel) => values[at * count + Math.min(channel, count - 1)]);
  return 0.3 * red + 0.59 * green + 0.11 * blue > 117 ? "#000000" : "#ffffff";
}
