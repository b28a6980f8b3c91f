/** Curves over epochs: round axes, paths with gaps, the nearest epoch, kernels side by side. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { highest, linear, mosaic, nearest, pathOf, ticks, wholeTicks } from "../../convitro/view/numbers/curves.js";

test("ticks are round, reach around all values, and are no more than asked for", () => {
  assert.deepEqual(ticks(0, 1, 5), [0, 0.25, 0.5, 0.75, 1]);
  assert.deepEqual(ticks(0, 2.3, 5), [0, 1, 2, 3]);
  assert.deepEqual(ticks(0, 0.05, 5), [0, 0.02, 0.04, 0.06]);
  assert.deepEqual(ticks(0, 0, 5), [0, 0.25, 0.5, 0.75, 1]);
  for (let power = -9; power < 9; power += 0.37) {
    const high = 10 ** power;
    const found = ticks(0, high, 5);
    assert.ok(found.length >= 2 && found.length <= 5, `${high}: ${found}`);
    assert.equal(found[0], 0);
    assert.ok(found.at(-1) >= high * (1 - 1e-9) && found.at(-2) < high, `${high}: ${found}`);
  }
});

test("whole ticks have both ends and never more than asked for", () => {
  assert.deepEqual(wholeTicks(0, 8, 9), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(wholeTicks(0, 14, 5), [0, 5, 10, 14]);
  assert.deepEqual(wholeTicks(0, 101, 7), [0, 20, 40, 60, 80, 101]);
  assert.deepEqual(wholeTicks(3, 3, 5), [3]);
  for (let high = 1; high < 400; high += 7) {
    for (let most = 3; most < 12; most += 1) {
      const found = wholeTicks(0, high, most);
      assert.ok(found.length <= most + 1, `${high} ${most}: ${found}`);
      assert.equal(found[0], 0);
      assert.equal(found.at(-1), high);
      assert.deepEqual([...new Set(found)].sort((a, b) => a - b), found);
    }
  }
});

test("a path stops where a value is missing and begins anew behind it", () => {
  const same = linear(0, 10, 0, 100);
  assert.equal(pathOf([0, 1, 2, 3, 4], [1, 2, null, NaN, 3], same, same), "M0 10L10 20M40 30");
  assert.equal(pathOf([0], [Infinity], same, same), "");
  assert.equal(pathOf([], [], same, same), "");
});

test("numbers become places, a span of nothing too", () => {
  const y = linear(0, 4, 130, 10);
  assert.deepEqual([0, 1, 4].map(y), [130, 100, 10]);
  assert.equal(linear(3, 3, 7, 9)(3), 7);
});

test("the highest is the largest finite value", () => {
  assert.equal(highest([[1, null, Infinity], [NaN, 3, undefined]]), 3);
  assert.equal(highest([[], [-1]]), 0);
});

test("the nearest epoch", () => {
  assert.equal(nearest([1, 2, 5], 3.4), 1);
  assert.equal(nearest([1, 2, 5], 3.6), 2);
  assert.equal(nearest([1, 2, 5], -9), 0);
  assert.equal(nearest([], 1), -1);
});

test("tiles of a mosaic never touch, and all lie inside", () => {
  for (const size of [[3, 3], [1, 1], [5, 5], [1, 7], [7, 1]]) {
    for (let count = 1; count <= 64; count += 1) {
      const place = mosaic(count, size);
      const taken = new Set();
      for (let index = 0; index < count; index += 1) {
        const { y, x } = place.at(index);
        assert.ok(y + size[0] <= place.height && x + size[1] <= place.width);
        taken.add(`${y} ${x}`);
        assert.equal(y % (size[0] + 1), 0);
        assert.equal(x % (size[1] + 1), 0);
      }
      assert.equal(taken.size, count);
    }
  }
});
