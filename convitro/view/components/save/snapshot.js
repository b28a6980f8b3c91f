/** A part of the page as a picture: an SVG that needs nothing else, and a PNG drawn from it. */

import { Styles } from "./styles.js";

const SCALE = 2;
const MOST_PIXELS = 48e6; // of a PNG; a longer view is drawn smaller, down to as it is on the screen, and below that
const LONGEST = 16_000; // pixels of a side, what every browser can draw
const KEPT = {
  img: ["src", "alt"], // maps are images whose pixels lie in their addresses
  input: ["type", "value", "checked", "disabled", "min", "max", "step", "placeholder"],
  td: ["colspan", "rowspan"],
  th: ["colspan", "rowspan"],
  details: ["open"],
};

/**
 * An element as it is shown, in one file: its HTML with computed styles, its canvases as pictures.
 * @param {HTMLElement} element
 * @param {string} title in words
 * @returns {{text: string, width: number, height: number}}
 */
export function svgOf(element, title) {
  const styles = new Styles();
  const width = Math.ceil(element.getBoundingClientRect().width);
  const height = Math.ceil(Math.max(element.scrollHeight, element.getBoundingClientRect().height));
  const body = markup(element, styles, null, `margin:0;width:${width}px;min-height:${height}px;`);
  const paper = getComputedStyle(document.documentElement).backgroundColor;
  const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escaped(title)}</title>
<style><![CDATA[${styles.text().replaceAll("]]>", "")}]]></style>
<rect width="100%" height="100%" fill="${paper}"/>
<foreignObject width="100%" height="100%">${body}</foreignObject>
</svg>
`;
  return { text, width, height };
}

/**
 * The picture in pixels.
 * @param {{text: string, width: number, height: number}} svg
 * @returns {Promise<Blob>}
 */
export async function pngOf({ text, width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`; // from a blob: address the canvas could not be read
  await image.decode();
  const scale = Math.min(SCALE, Math.sqrt(MOST_PIXELS / (width * height)), LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser could not draw it"))), "image/png");
  });
}

/** An element and what is in it as XML, each with the class that makes it look as it does. */
function markup(element, styles, parent, more = "") {
  const style = getComputedStyle(element);
  if (style.display === "none" || element.matches(".only-heard")) return "";
  const name = element.localName;
  const look = `class="${styles.classOf(element, style, parent, more)}"`;
  if (name === "canvas") return `<img ${look} ${pictureOf(element)}/>`;
  const space = parent === null ? ' xmlns="http://www.w3.org/1999/xhtml"' : name === "svg" ? ' xmlns="http://www.w3.org/2000/svg"' : "";
  const { scrollLeft, scrollTop } = element;
  const shift = scrollLeft || scrollTop ? `translate:${-scrollLeft}px ${-scrollTop}px;` : "";
  const inner = [...element.childNodes].map((node) => {
    if (node.nodeType === Node.TEXT_NODE) return escaped(node.data);
    return node.nodeType === Node.ELEMENT_NODE ? markup(node, styles, style, shift) : "";
  });
  return `<${name}${space} ${look}${attributes(element)}>${inner.join("")}</${name}>`;
}

/** What an element says of itself besides its look; what leads elsewhere or runs is left out. */
function attributes(element) {
  if (element.namespaceURI.endsWith("svg")) {
    return [...element.attributes]
      .filter(({ name }) => !/^(class|style|xmlns.*|id|on.*|href|xlink.*)$/.test(name))
      .map(({ name, value }) => ` ${name}="${escaped(value)}"`)
      .join("");
  }
  const read = (name) => (typeof element[name] === "boolean" ? (element[name] ? name : null) : (element[name] ?? null));
  return (KEPT[element.localName] ?? [])
    .filter((name) => read(name) !== null && read(name) !== "")
    .map((name) => ` ${name}="${escaped(String(read(name)))}"`)
    .join("");
}

/** A canvas as an address with its pixels inside. */
function pictureOf(canvas) {
  const alt = `alt="${escaped(canvas.getAttribute("aria-label") ?? "")}"`;
  return canvas.width && canvas.height ? `${alt} src="${canvas.toDataURL()}"` : alt;
}

function escaped(text) {
  const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  // Control characters have no place in XML, not even written as numbers.
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").replace(/[&<>"]/g, (mark) => marks[mark]);
}
