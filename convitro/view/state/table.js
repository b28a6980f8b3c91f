/** What the Table view knows: its document, which column it is sorted by, and how its cells read. */

import { computed, signal } from "@preact/signals";

export const table = signal(null);
export const tableRefusal = signal(null); // why there is none: {problem, expected, received, hint}
export const sorted = signal({ key: "", down: false }); // an empty key is the order in which the layers run

const NONE = "";

/**
 * @type {{key: string, title: string, words: string, numeric?: boolean, of: (row: object) => string | number}[]}
 */
export const COLUMNS = [
  { key: "name", title: "layer", words: "the layer's own name", of: (row) => row.name },
  { key: "kind", title: "kind", words: "its class, or the function that was called", of: (row) => row.kind },
  { key: "output", title: "output", words: "batch × channels × rows × columns", of: (row) => row.output_shape?.join("×") ?? NONE },
  { key: "kernel", title: "kernel", words: "rows × columns", of: (row) => row.kernel_size?.join("×") ?? NONE },
  { key: "parameters", title: "parameters", words: "weights and biases, each counted once", numeric: true, of: (row) => row.parameters || NONE },
  { key: "macs", title: "MACs", words: "multiply-accumulates of one picture; FLOPs are twice as many", numeric: true, of: (row) => row.macs || NONE },
  { key: "memory", title: "output KiB", words: "memory of what the layer hands on", numeric: true, of: (row) => (row.output_bytes ? row.output_bytes / 1024 : NONE) },
  { key: "field", title: "sees", words: "pixels of the picture that one unit sees, rows × columns", of: seen },
  { key: "advice", title: "advice", words: "what could cost less, or matters here", of: (row) => row.advice.join("; ") },
];

function seen({ receptive_field: field }) {
  if (!field) return NONE;
  return field.whole ? "everything" : field.size.join("×");
}

/** The rows in the chosen order; equal ones, and those without a value, stay in the order of the run. */
export const rows = computed(() => {
  const all = table.value?.layers ?? [];
  const { key, down } = sorted.value;
  const column = COLUMNS.find((each) => each.key === key);
  if (!column) return all;
  const value = (row) => (key === "field" ? area(row) : column.of(row));
  return [...all].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === NONE || b === NONE) return (a === NONE) - (b === NONE);
    const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return down ? -order : order;
  });
});

function area({ receptive_field: field }) {
  if (!field) return NONE;
  return field.whole ? Infinity : field.size[0] * field.size[1];
}

/** Sort by a column: numbers from the largest, words from the first; once more turns it around, a third time undoes it. */
export function sortBy({ key, numeric }) {
  const { key: before, down } = sorted.value;
  const first = Boolean(numeric) || key === "field";
  if (before !== key) sorted.value = { key, down: first };
  else sorted.value = down === first ? { key, down: !first } : { key: "", down: false };
}

/** The table as comma-separated values, in the order shown. */
export function asCsv() {
  const quoted = (value) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const lines = [COLUMNS.map(({ title }) => title), ...rows.value.map((row) => COLUMNS.map((column) => column.of(row)))];
  return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

/** Everything the library says about the layers, as JSON. */
export function asJson() {
  const { arrays, ...facts } = table.value;
  return JSON.stringify(facts, null, 2);
}
