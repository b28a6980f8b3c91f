/** Small words that the tours share: counts with their nouns, channels by name, layers to show something on. */

import { format } from "../../numbers/format.js";

const SERVER = "This page has no server behind it, so this cannot be computed here.";

/** "1 channel", "3 channels". */
export function many(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** "red", or "channel 5" where it is a map of the layer before. */
export function named(name) {
  return /^\d/.test(name) ? `channel ${name}` : name;
}

/** What a step says on a page without a server: what would be seen, and how to see it. */
export function withServer(words) {
  return () => `${SERVER} ${words} Start \`convitro explore\` with this network to see it.`;
}

/** Values added up, as many as are easily read: "0.1 − 0.4 + 0.2". */
export function added(values, most = 4) {
  const shown = values.slice(0, most).map((value, at) => (at === 0 ? format(value) : `${value < 0 ? "−" : "+"} ${format(Math.abs(value))}`));
  return shown.join(" ") + (values.length > most ? " + …" : "");
}

/** Values one after the other, where they are not added: "0.1, −0.4, 0.2". */
export function listed(values, most = 4) {
  return values.slice(0, most).map(format).join(", ") + (values.length > most ? ", …" : "");
}

/** What is said of a pixel of a layer that keeps its maps apart; null of any other. */
export function apart({ here }) {
  return here.separate ? `This layer keeps its partial maps apart (\`aggregation="${here.aggregation}"\`): at no pixel are its channels combined.` : null;
}

/** The first layer that combines several channels, all of them on one page; else the first of several; else the first. */
export function mixing({ layers }) {
  const several = layers.filter(({ channels_per_filter: channels }) => channels > 1);
  const combined = several.filter(({ separate }) => !separate);
  const whole = combined.filter(({ channels_per_filter: channels, channels_per_page: page }) => channels <= page);
  return (whole[0] ?? combined[0] ?? several[0] ?? layers[0])?.name;
}

/** The first layer that reads the maps of another one and several of them; else the last layer. */
export function second({ layers }) {
  const later = layers.slice(1);
  return (later.find(({ channels_per_filter: channels }) => channels > 1) ?? later[0] ?? layers[0])?.name;
}

/** The first layer that is pooled; else the first. */
export function pooled({ layers }) {
  return (layers.find(({ pool }) => pool?.mode === "max") ?? layers.find(({ pool }) => pool) ?? layers[0])?.name;
}
