/** The page's arithmetic, format and colours, without a browser. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, patchAt, products, strongest } from "../../convitro/view/numbers/arithmetic.js";
import { cellColours, colourTable, step } from "../../convitro/view/numbers/colour.js";
import {
  format,
  formatCell,
  formatCount,
  formatShare,
  formatShort,
  formatTerm,
} from "../../convitro/view/numbers/format.js";
import { partialMap } from "../../convitro/view/numbers/convolve.js";
import { channelName, inputScale, limitOf } from "../../convitro/view/numbers/scale.js";
import { clamp, outputNear, poolPlace, windowBox, winnerOf } from "../../convitro/view/numbers/window.js";

const LAYER = {
  kernel_size: [3, 3],
  stride: [1, 1],
  padding: [1, 1, 1, 1],
  dilation: [1, 1],
  padding_mode: "zeros",
  input_size: [4, 5],
  output_size: [4, 5],
  combine: "multiply",
  window: "sum",
  raw_input: false,
};
const MAP = Float32Array.from({ length: 20 }, (_, i) => i); // 4 rows of 5

test("numbers read the same everywhere", () => {
  const expected = [
    [0, "0"],
    [40404, "40404"],
    [-3, "−3"],
    [0.48213, "0.482"],
    [-12.345, "−12.35"],
    [123.45, "123.5"],
    [1.5e7, "1.50e7"],
    [0.0004, "4.00e−4"],
    [NaN, "NaN"],
    [null, "NaN"],
    [-Infinity, "−∞"],
    [Infinity, "∞"],
  ];
  for (const [value, text] of expected) assert.equal(format(value), text);
  assert.equal(formatTerm(-0.5), "− 0.500");
  assert.equal(formatTerm(2), "+ 2");
  assert.equal(formatCount(11689512), "11\u202f689\u202f512");
  assert.equal(formatShare(0.974), "97\u202f%");
  assert.equal(formatShare(0.0004), "< 0.1\u202f%");
  assert.equal(formatShare(0.00123), "0.12\u202f%");
  assert.equal(formatShare(0.00999), "1.0\u202f%");
  assert.equal(formatShare(0), "0.0\u202f%");
});

test("numbers of cells are short", () => {
  const expected = [
    [0.4821, "0.48"],
    [-12.34, "−12.3"],
    [123.4, "123"],
    [10000, "10000"],
    [234567.5, "2e5"],
    [0.001, "≈0"],
  ];
  for (const [value, text] of expected) assert.equal(formatShort(value, 300), text);
  assert.equal(formatShort(-0.0123, 0.05), "−.012");
  assert.equal(formatCell(-0.000824), "−8e−4");
  assert.equal(formatCell(0), "0");
  assert.equal(formatCell(0.0517), "0.052");
  assert.equal(formatShort(0.00012, 0.005), "1e−4");
  for (let i = -3000; i < 3000; i += 7) assert.ok(formatShort(i / 97, 50).length <= 5, formatShort(i / 97, 50));
});

test("a window at the edge reaches into the padding", () => {
  assert.deepEqual(windowBox(LAYER, { y: 0, x: 4 }), { top: -1, left: 3, height: 3, width: 3 });
  const { values, outside } = patchAt(LAYER, MAP, { y: 0, x: 4 });
  assert.deepEqual([...values], [0, 0, 0, 3, 4, 0, 8, 9, 0]);
  assert.deepEqual([...outside], [1, 1, 1, 0, 0, 1, 0, 0, 1]);
});

test("other paddings repeat the image", () => {
  const at = { y: 0, x: 0 };
  const patch = (padding_mode) => [...patchAt({ ...LAYER, padding_mode }, MAP, at).values];
  assert.deepEqual(patch("replicate"), [0, 0, 1, 0, 0, 1, 5, 5, 6]);
  assert.deepEqual(patch("reflect"), [6, 5, 6, 1, 0, 1, 6, 5, 6]);
  assert.deepEqual(patch("circular"), [19, 15, 16, 4, 0, 1, 9, 5, 6]);
});

test("stride and dilation move the window", () => {
  const layer = {
    ...LAYER,
    stride: [2, 2],
    dilation: [2, 2],
    padding: [0, 0, 0, 0],
    kernel_size: [2, 2],
    output_size: [1, 2],
  };
  assert.deepEqual([...patchAt(layer, MAP, { y: 0, x: 1 }).values], [2, 4, 12, 14]);
  assert.deepEqual(outputNear(layer, { y: 1, x: 3 }), { y: 0, x: 1 });
  assert.deepEqual(outputNear(layer, { y: 3, x: 4 }), { y: 0, x: 1 });
});

test("the output nearest to an input pixel reads it in its middle", () => {
  for (let y = 0; y < 4; y += 1) for (let x = 0; x < 5; x += 1) assert.deepEqual(outputNear(LAYER, { y, x }), { y, x });
});

test("products of every combine", () => {
  const patch = Float64Array.of(2, -1);
  const kernel = [3, 0.5];
  const of = (combine) => [...products({ ...LAYER, combine }, patch, kernel, Uint8Array.of(0, 0))];
  assert.deepEqual(of("multiply"), [6, -0.5]);
  assert.deepEqual(of("add"), [5, -0.5]);
  assert.deepEqual(of("subtract"), [-1, -1.5]);
  assert.deepEqual(of("squared_difference"), [1, 2.25]);
  assert.deepEqual(of("absolute_difference"), [1, 1.5]);
  assert.deepEqual(of("minimum"), [2, -1]);
});

test("padded items take no part where zeros are not neutral", () => {
  const [first, second] = products({ ...LAYER, window: "mean" }, Float64Array.of(0, 2), [3, 3], Uint8Array.of(1, 0));
  assert.ok(Number.isNaN(first));
  assert.equal(second, 6);
});

const POOL = { kernel_size: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], output_size: [2, 2] };

test("a pixel finds its pooling window and whether it wins", () => {
  const switches = [3, 0, 0, 2];
  assert.deepEqual(winnerOf(POOL, switches, { y: 0, x: 0 }), { y: 1, x: 1 });
  assert.deepEqual(winnerOf(POOL, switches, { y: 1, x: 1 }), { y: 3, x: 2 });
  assert.deepEqual(poolPlace(POOL, switches, { y: 1, x: 1 }), {
    cell: { y: 0, x: 0 },
    box: { top: 0, left: 0, height: 2, width: 2 },
    wins: true,
  });
  assert.equal(poolPlace(POOL, switches, { y: 0, x: 1 }).wins, false);
  assert.equal(poolPlace(POOL, switches, { y: 4, x: 0 }), null); // a row that no window reaches
});

test("where windows overlap, the one that the pixel wins is shown", () => {
  const pool = { ...POOL, kernel_size: [3, 3], padding: [1, 1], output_size: [2, 2] };
  const switches = [4, 3, 4, 4]; // the second window (top -1, left 1) is won by its left middle pixel: row 0, column 1
  assert.deepEqual(poolPlace(pool, switches, { y: 0, x: 1 }).cell, { y: 0, x: 1 });
  assert.ok(poolPlace(pool, switches, { y: 0, x: 1 }).wins);
});

test("the strongest pixel prefers windows without padding", () => {
  const map = Float32Array.from(MAP);
  map[0] = 99;
  assert.deepEqual(strongest(LAYER, map), { y: 2, x: 3 });
  assert.deepEqual(strongest({ ...LAYER, padding: [9, 9, 9, 9], input_size: [1, 1] }, map), { y: 0, x: 0 });
  assert.deepEqual(clamp({ y: -1, x: 9 }, [4, 5]), { y: 0, x: 4 });
});

test("two maps are compared", () => {
  const { difference, limit, mean, correlation } = compare(Float32Array.of(1, 2, 3), Float32Array.of(2, 4, 6));
  assert.deepEqual([...difference], [-1, -2, -3]);
  assert.equal(limit, 3);
  assert.equal(mean, 2);
  assert.ok(Math.abs(correlation - 1) < 1e-12);
});

test("colours: zero is the paper, the ends are the ends, text on every colour reads", () => {
  for (const theme of ["light", "dark"]) {
    const middle = step(0, { kind: "diverging", limit: 2 });
    assert.ok(middle === 127 || middle === 128);
    assert.equal(step(5, { kind: "diverging", limit: 2 }), 255);
    assert.equal(step(-5, { kind: "diverging", limit: 2 }), 0);
    assert.equal(step(NaN, { kind: "diverging", limit: 2 }), 128);
    assert.equal(step(0, { kind: "diverging", limit: 0 }), 128);
    for (const kind of ["diverging", "grey"]) {
      assert.equal(colourTable(kind, theme).length, 768);
      for (let i = 0; i <= 255; i += 1) {
        const scale = kind === "grey" ? { kind, low: 0, high: 255 } : { kind, limit: 1 };
        const value = kind === "grey" ? i : (i / 255) * 2 - 1;
        const { background, text } = cellColours(value, scale, theme);
        const ratio = contrast(background.match(/\d+/g).map(Number), parse(text));
        assert.ok(ratio >= 4.5, `${theme} ${kind} ${i}: ${ratio}`);
      }
    }
  }
});

test("scales", () => {
  assert.equal(limitOf([1, -3, Infinity, NaN]), 3);
  const inputs = { limit: 4, lowest: 0, highest: 0.9 };
  assert.deepEqual(inputScale({ raw_input: true }, inputs, null), { kind: "grey", low: 0, high: 1 });
  assert.deepEqual(inputScale({ raw_input: true }, { ...inputs, lowest: -2 }, null), {
    kind: "grey",
    low: -2,
    high: 0.9,
  });
  assert.deepEqual(inputScale({ raw_input: true }, inputs, [0.2, 0.7]), { kind: "grey", low: 0.2, high: 0.7 });
  assert.deepEqual(inputScale({ raw_input: false }, inputs, null), { kind: "diverging", limit: 4 });
  assert.equal(channelName({ raw_input: true, in_channels: 3 }, 2), "blue");
  assert.equal(channelName({ raw_input: true, in_channels: 1 }, 0), "grey");
  assert.equal(channelName({ raw_input: false }, 17), "17");
});

function parse(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function contrast(one, other) {
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((byte) =>
      byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

test("a partial map is every window's products added, zeros beyond the borders", () => {
  const geometries = [
    { kernel_size: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1] },
    { kernel_size: [2, 3], stride: [2, 1], padding: [0, 1, 2, 0], dilation: [2, 1] },
    { kernel_size: [1, 1], stride: [3, 2], padding: [0, 0, 0, 0], dilation: [1, 1] },
    { kernel_size: [5, 4], stride: [1, 3], padding: [4, 4, 3, 3], dilation: [1, 2] },
  ];
  const [height, width] = [7, 9];
  const input = Float32Array.from({ length: height * width }, (_, index) => ((index * 37) % 11) - 5);
  for (const geometry of geometries) {
    const [kh, kw] = geometry.kernel_size;
    const [top, bottom, left, right] = geometry.padding;
    const size = (extent, before, after, axis, kernel) =>
      Math.floor((extent + before + after - geometry.dilation[axis] * (kernel - 1) - 1) / geometry.stride[axis]) + 1;
    const [rows, columns] = [size(height, top, bottom, 0, kh), size(width, left, right, 1, kw)];
    const layer = { ...geometry, input_size: [height, width], output_size: [rows, columns] };
    const kernel = Float32Array.from({ length: kh * kw }, (_, index) => (index % 5) - 2);
    const expected = [];
    for (let y = 0; y < rows; y += 1) {
      for (let x = 0; x < columns; x += 1) {
        let sum = 0;
        for (let v = 0; v < kh; v += 1) {
          for (let u = 0; u < kw; u += 1) {
            const row = y * geometry.stride[0] + v * geometry.dilation[0] - top;
            const column = x * geometry.stride[1] + u * geometry.dilation[1] - left;
            const inside = row >= 0 && row < height && column >= 0 && column < width;
            if (inside) sum += input[row * width + column] * kernel[v * kw + u];
          }
        }
        expected.push(sum);
      }
    }
    assert.deepEqual(Array.from(partialMap(layer, input, kernel)), expected);
  }
});
