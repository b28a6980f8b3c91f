import assert from "node:assert/strict";
import test from "node:test";
import { classRows, filterOf, partsOf, shareLines, strongestParts } from "../../convitro/view/numbers/answer.js";
import { averageText, maxText, poolValues, stageLine, stageLines } from "../../convitro/view/numbers/stages.js";

const stack = (rows) => ({ values: Float32Array.from(rows.flat()), shape: [rows.length, rows[0].length] });
const DOCUMENT = {
  ending: "scores",
  largest: 2,
  sum: 1.5,
  count: 3,
  classes: [
    { index: 4, name: "cat" },
    { index: 1, name: "dog" },
    { index: 0, name: "cup" },
  ],
  parts: { unit: "map", rows: [4, 1], biases: [0.5, -0.25], rest: [0, 0] },
  arrays: {
    scores: stack([[2, 1.25, -1]]),
    powers: stack([[1, 0.375, 0.125]]),
    shares: stack([[0.667, 0.25, 0.083]]),
    contributions: stack([
      [1.5, -0.5, 0, 0.5],
      [0.5, 1, 0.25, -0.25],
    ]),
  },
};

test("a share is written out as the sum that it comes from", () => {
  const lines = shareLines(DOCUMENT, classRows(DOCUMENT)[1]);
  assert.deepEqual(
    lines.map(({ text, result }) => `${text} ${result}`),
    ["e^(score − largest) = e^(1.250 − 2) = 0.375", "sum over all 3 classes: 1 + 0.375 + 0.125 = 1.500", "share of dog = 0.375 / 1.500 = 25\u202f%"],
  );
});

test("shares that the network returns are not made again", () => {
  const { scores, powers, ...arrays } = DOCUMENT.arrays;
  const document = { ...DOCUMENT, ending: "softmax", sum: null, arrays };
  assert.deepEqual(shareLines(document, classRows(document)[0]).length, 1);
  assert.match(shareLines(document, classRows(document)[0])[0].text, /as the network returns it/);
});

test("parts and bias add up to the score, and to the difference of two", () => {
  assert.equal(partsOf(DOCUMENT, 4, null).total, 2);
  assert.equal(partsOf(DOCUMENT, 1, null).total, 1.25);
  const difference = partsOf(DOCUMENT, 4, 1);
  assert.deepEqual([...difference.values], [1, -1.5, -0.25, 0.75]);
  assert.equal(difference.total, 0.75);
  assert.equal(partsOf(DOCUMENT, 0, null), null);
});

test("the strongest on either side, and the sums of all", () => {
  assert.deepEqual(strongestParts([1, -2, 0, 3, -0.5], 1), { up: [3], down: [1], plus: 4, minus: -2.5, ups: 2, downs: 2 });
});

test("the filter of a map, by the run that it lies in", () => {
  const origins = [
    { layer: "a", first: 0, count: 3, filter: 0, exact: true },
    { layer: "b", first: 3, count: 2, filter: 0, exact: true },
  ];
  assert.deepEqual(filterOf(origins, 4), { layer: "b", filter: 1, exact: true });
  assert.equal(filterOf(origins, 5), null);
});

const CASES = [
  ["relu", -0.41, 0, "relu(−0.410) = max(0, −0.410)"],
  ["leaky_relu(0.2)", -0.5, -0.1, "leaky_relu(−0.500) = 0.200 × (−0.500)"],
  ["silu", 1, 0.7310585786, "silu(1) = 1 × sigmoid(1) = 1 × 0.731"],
  ["gelu", -1, -0.1586552539, "gelu(−1) = −1 × Φ(−1) = −1 × 0.159"],
  ["sigmoid", 0, 0.5, "sigmoid(0) = 1 / (1 + e^0)"],
  ["tanh", 0.5, 0.4621171573, "tanh(0.500) = (e^0.500 − e^(−0.500)) / (e^0.500 + e^(−0.500))"],
  ["elu", -1, Math.expm1(-1), "elu(−1) = 1 × (e^(−1) − 1)"],
  ["hardtanh(0, 6)", 7.5, 6, "hardtanh(7.500) = min(max(0, 7.500), 6)"],
  ["relu6", 7.5, 6, "relu6(7.500) = min(max(0, 7.500), 6)"],
];

for (const [words, x, value, text] of CASES) {
  test(`${words} of ${x}`, () => {
    const line = stageLine({ kind: "activation", words }, x);
    assert.equal(line.text, text);
    assert.ok(Math.abs(line.value - value) < 1e-6);
  });
}

test("BatchNorm with its four numbers, then an activation", () => {
  const constants = { normalization: { mean: 1, variance: 4, weight: -3, bias: 0.5, eps: 0 }, slope: null };
  const lines = stageLines([{ kind: "normalization", words: "batch_norm" }, { kind: "activation", words: "relu" }], 2, constants);
  assert.equal(lines[0].text, "BatchNorm: (2 − 1) / √(4 + 0) × (−3) + 0.500");
  assert.deepEqual(lines.map(({ value }) => value), [-1, 0]);
});

test("what cannot be written out is not", () => {
  assert.equal(stageLine({ kind: "activation", words: "mish" }, 1), null);
  assert.equal(stageLine({ kind: "activation", words: "gelu(tanh)" }, 1), null);
  assert.equal(stageLine({ kind: "normalization", words: "batch_norm of the batch" }, 1, { normalization: null }), null);
  assert.equal(stageLines([{ kind: "activation", words: "mish" }], 1), null);
});

test("a pooling window at the edge holds what lies on the map", () => {
  const pool = { kernel_size: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1], output_size: [2, 2] };
  const read = (at) => at;
  assert.deepEqual(poolValues(pool, [4, 4], { y: 0, x: 0 }, read), { values: [0, 1, 4, 5], complete: false });
  assert.equal(poolValues(pool, [4, 4], { y: 1, x: 1 }, read).complete, true);
  assert.equal(maxText([0.5, 2, 1]), "max(0.500, 2, 1)");
  assert.equal(averageText([1, -2]), "(1 + (−2)) / 2");
  assert.match(maxText([...Array(25).keys()]), /24, … 16 more\)$/);
});
