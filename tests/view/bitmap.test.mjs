/** Bitmaps: their bytes as a reader of such files takes them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { mapBitmap, pictureBitmap } from "../../convitro/view/numbers/bitmap.js";
import { colourTable } from "../../convitro/view/numbers/colour.js";

/** The colours of a bitmap, pixel by pixel, from the first row on. */
function read(address) {
  const [head, data] = address.split(",");
  assert.equal(head, "data:image/bmp;base64");
  const bytes = Buffer.from(data, "base64");
  assert.equal(bytes.toString("latin1", 0, 2), "BM");
  assert.equal(bytes.readUInt32LE(2), bytes.length);
  const [start, width, height, bits] = [
    bytes.readUInt32LE(10),
    bytes.readInt32LE(18),
    -bytes.readInt32LE(22),
    bytes.readUInt16LE(28),
  ];
  const stride = Math.ceil((width * bits) / 32) * 4;
  assert.equal(bytes.length, start + stride * height);
  const colours = Array.from({ length: height * width }, (_, at) => {
    const place = start + Math.floor(at / width) * stride + (at % width) * (bits / 8);
    const from = bits === 8 ? 54 + bytes[place] * 4 : place;
    return [bytes[from + 2], bytes[from + 1], bytes[from]];
  });
  return { size: [height, width], colours };
}

for (const width of [1, 3, 4, 5, 200]) {
  test(`a map ${width} wide has the colours of its table`, () => {
    for (const [kind, theme] of [
      ["diverging", "light"],
      ["diverging", "dark"],
      ["grey", "light"],
    ]) {
      const rowOf = (at) => (at * 37) % 256;
      const { size, colours } = read(mapBitmap([300, width], rowOf, kind, theme));
      assert.deepEqual(size, [300, width]);
      const table = colourTable(kind, theme);
      colours.forEach((colour, at) => assert.deepEqual(colour, [...table.subarray(rowOf(at) * 3, rowOf(at) * 3 + 3)]));
    }
  });
}

test("a picture keeps its bytes, in colour and in grey", () => {
  for (const channels of [1, 3]) {
    const values = Uint8Array.from({ length: 5 * 7 * channels }, (_, at) => (at * 53) % 256);
    const { size, colours } = read(pictureBitmap({ values, shape: [5, 7, channels] }));
    assert.deepEqual(size, [5, 7]);
    colours.forEach((colour, at) =>
      assert.deepEqual(
        colour,
        [0, 1, 2].map((c) => values[at * channels + (channels === 3 ? c : 0)]),
      ),
    );
  }
});
