/** Channels that take away what others bring. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { opposingPairs, pairsAt } from "../../convitro/view/numbers/opposition.js";

test("the strongest of both signs make the first pair", () => {
  const pairs = opposingPairs([0.5, -2, 3, -1, 0, 1], 3);
  assert.deepEqual(pairs, [
    { up: 2, plus: 3, down: 1, minus: -2 },
    { up: 5, plus: 1, down: 3, minus: -1 },
  ]);
  assert.equal(opposingPairs([0.5, -2, 3, -1, 0, 1], 1).length, 1);
});

test("where all pull the same way, and where nothing can be compared, there is no pair", () => {
  for (const values of [[1, 2, 3], [-1, -2], [0, 0], [], [NaN, 1], [NaN, NaN, -1]]) {
    assert.deepEqual(opposingPairs(values, 3), []);
  }
  assert.deepEqual(opposingPairs([NaN, 1, -1], 3), [{ up: 1, plus: 1, down: 2, minus: -1 }]);
});

test("a channel stands in one pair only", () => {
  const pairs = opposingPairs([4, 3, -1], 3);
  assert.deepEqual(pairs, [{ up: 0, plus: 4, down: 2, minus: -1 }]);
});

test("the pairs of a document are those of its pixel", () => {
  const stack = (...values) => ({ values: Float32Array.from(values), shape: [2, 1, 2] });
  const arrays = { plus: stack(5, 1, 2, 0), up: stack(7, 8, 9, 6), minus: stack(-4, 2, -1, 3), down: stack(1, 2, 3, 4) };
  assert.deepEqual(pairsAt(arrays, { y: 0, x: 0 }), [
    { up: 7, plus: 5, down: 1, minus: -4 },
    { up: 9, plus: 2, down: 3, minus: -1 },
  ]);
  assert.deepEqual(pairsAt(arrays, { y: 0, x: 1 }), []);
});
