/** A map as a picture: one canvas pixel per value, with marks upon it, for pointer and arrow keys. */

import { useEffect, useRef } from "preact/hooks";
import { paint } from "../numbers/colour.js";
import { theme } from "../state/store.js";
import { html } from "./html.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * @typedef {{box: {top: number, left: number, height: number, width: number}, kind: string}} Mark
 * @param {{
 *   values: ArrayLike<number>, size: [number, number], scale: import("../numbers/colour.js").Scale, label: string,
 *   marks?: Mark[], dots?: {y: number, x: number}[], at?: {y: number, x: number}, focusable?: boolean,
 *   onPoint?: (pixel: {y: number, x: number} | null) => void, onPin?: (pixel: {y: number, x: number}) => void,
 *   onHome?: () => void
 * }} props `at` is the pixel that the arrow keys start from
 */
export function MapView(props) {
  const { values, size, scale, label, marks = [], dots, focusable = false } = props;
  const [height, width] = size;
  const canvas = useRef(null);
  const colours = theme.value;
  const scaleKey = Object.values(scale).join();
  useEffect(() => paint(canvas.current, values, size, scale, colours), [values, scaleKey, colours]);

  const shape = useRef(null);
  useEffect(() => {
    const side = Math.max(height, width);
    shape.current.style.width = `${(width / side) * 100}%`;
    shape.current.style.height = `${(height / side) * 100}%`;
  }, [height, width]);

  return html`<div class="map">
    <div
      ref=${shape}
      class="map-shape"
      ...${focusable ? { role: "application", "aria-roledescription": "map", tabindex: 0 } : { role: "img" }}
      aria-label=${label}
      data-fine=${Math.max(height, width) > 80}
      onPointerMove=${(event) => event.pointerType !== "touch" && props.onPoint?.(pixelUnder(event, size))}
      onPointerLeave=${() => props.onPoint?.(null)}
      onClick=${(event) => props.onPin?.(pixelUnder(event, size))}
      onKeyDown=${focusable ? (event) => onKey(event, props) : undefined}
    >
      <canvas ref=${canvas}></canvas>
      ${dots && html`<${Dots} dots=${dots} size=${size} />`}
      ${marks.map((mark) => html`<i class="mark" data-kind=${mark.kind} style=${markStyle(mark.box, size)}></i>`)}
    </div>
  </div>`;
}

/** Small dots in the middle of pixels, many at once. */
function Dots({ dots, size: [height, width] }) {
  const path = dots.map(({ y, x }) => `M${x + 0.5} ${y + 0.5}h0`).join("");
  return html`<svg class="dots" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true">
    <path d=${path} /><path d=${path} />
  </svg>`;
}

function markStyle(box, [height, width]) {
  return {
    left: `${((box.left + box.width / 2) / width) * 100}%`,
    top: `${((box.top + box.height / 2) / height) * 100}%`,
    width: `${(box.width / width) * 100}%`,
    height: `${(box.height / height) * 100}%`,
  };
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

function onKey(event, { at, onPin, onHome }) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  if (step) {
    const far = event.shiftKey ? 5 : 1;
    onPin({ y: at.y + step[0] * far, x: at.x + step[1] * far });
  } else if (event.key === "Home") onHome();
  else return;
  event.preventDefault();
}
