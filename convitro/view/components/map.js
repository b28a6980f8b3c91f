/** A map as a picture: one pixel per value, with marks upon it, for pointer and arrow keys. */

import { useEffect, useRef, useState } from "preact/hooks";
import { mapBitmap, pictureBitmap } from "../numbers/bitmap.js";
import { step } from "../numbers/colour.js";
import { whenIdle } from "../state/idle.js";
import { theme } from "../state/store.js";
import { html } from "./html.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * @typedef {{y: number, x: number}} Pixel
 * @typedef {{box: {top: number, left: number, height: number, width: number}, kind: "pixel" | "window"}} Mark
 * @param {{
 *   values: ArrayLike<number>, size: [number, number], scale: import("../numbers/colour.js").Scale, label: string,
 *   picture?: {values: Uint8Array, shape: number[]}, marks: () => Mark[], dots?: Pixel[], onPoint: (pixel: Pixel | null) => void, onPin: (pixel: Pixel) => void,
 *   keys?: {at: () => Pixel, onHome: () => void}, visible?: {value: boolean}, near?: {value: boolean}
 * }} props `picture` is shown in its own colours instead of the values; `marks` is asked again whenever a signal that it reads changes; `keys` makes the map a tab stop with arrow keys;
 *   a map that is not `visible` is drawn when the page rests, and one that is not even `near` when it comes near
 */
export function MapView({ values, size, scale, label, picture, marks, dots, onPoint, onPin, keys, visible, near }) {
  const [height, width] = size;
  const source = useBitmap({ values, size, scale, picture }, { seen: visible?.value ?? true, near: near?.value ?? true });
  const side = Math.max(height, width);
  const role = keys ? { role: "application", "aria-roledescription": "map", tabindex: 0 } : { role: "img" };
  return html`<div class="map">
    <div
      class="map-shape"
      ...${role}
      aria-label=${label}
      data-fine=${side > 80}
      style=${{ width: `${(width / side) * 100}%`, height: `${(height / side) * 100}%` }}
      onPointerMove=${(event) => event.pointerType !== "touch" && onPoint(pixelUnder(event, size))}
      onPointerLeave=${() => onPoint(null)}
      onClick=${(event) => onPin(pixelUnder(event, size))}
      onKeyDown=${keys && ((event) => onKey(event, keys, onPin))}
    >
      <img src=${source} alt="" decoding="sync" draggable=${false} />
      ${dots && html`<${Dots} dots=${dots} size=${size} />`}
      <${Marks} marks=${marks} size=${size} />
    </div>
  </div>`;
}

/** The map's address as a picture; one that is off the screen keeps its old one until the page rests, or it comes near. */
function useBitmap({ values, size, scale, picture }, { seen, near }) {
  const colours = theme.value;
  const wanted = [picture ?? values, Object.values(scale).join(), colours];
  const drawn = useRef({ of: [] });
  const [, again] = useState(0);
  const due = wanted.some((each, at) => each !== drawn.current.of[at]);
  const draw = () => {
    const source = picture
      ? pictureBitmap(picture)
      : mapBitmap(size, (i) => step(values[i], scale), scale.kind, colours);
    drawn.current = { of: wanted, source };
  };
  if (due && seen) draw();
  const later = due && !seen && near;
  useEffect(() => (later ? whenIdle(() => (draw(), again((count) => count + 1))) : undefined), [later, ...wanted]);
  return drawn.current.source;
}

/** The marks alone, so that moving them paints nothing else anew. */
function Marks({ marks, size: [height, width] }) {
  return marks().map(({ box, kind }, index) => {
    const style = {
      left: `${(box.left / width) * 100}%`,
      top: `${(box.top / height) * 100}%`,
      width: `${(box.width / width) * 100}%`,
      height: `${(box.height / height) * 100}%`,
    };
    return html`<i key=${index} class="mark" data-kind=${kind} style=${style}></i>`;
  });
}

/** Small dots in the middle of pixels, many at once. */
function Dots({ dots, size: [height, width] }) {
  const path = dots.map(({ y, x }) => `M${x + 0.5} ${y + 0.5}h0`).join("");
  return html`<svg class="dots" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true">
    <path d=${path} /><path d=${path} />
  </svg>`;
}

/**
 * The mark of one pixel.
 * @param {Pixel} pixel
 * @returns {Mark}
 */
export function pixelMark({ y, x }) {
  return { box: { top: y, left: x, height: 1, width: 1 }, kind: "pixel" };
}

/** The pixel of a map that a pointer is over. */
function pixelUnder(event, [height, width]) {
  const rect = event.currentTarget.getBoundingClientRect();
  const inside = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
  return {
    y: inside((event.clientY - rect.top) / rect.height, height),
    x: inside((event.clientX - rect.left) / rect.width, width),
  };
}

function onKey(event, { at, onHome }, onPin) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  if (step) {
    const { y, x } = at();
    const far = event.shiftKey ? 5 : 1;
    onPin({ y: y + step[0] * far, x: x + step[1] * far });
  } else if (event.key === "Home") onHome();
  else return;
  event.preventDefault();
}
