/** The ways of the Network view: never two in one lane, groups folded without losing a way. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { contracted, groupsOf, lanesOf } from "../../convitro/view/numbers/lanes.js";

const node = (name, ...sources) => ({ name, kind: name === "input" ? "input" : "layer", sources });
const RESIDUAL = [
  node("input"),
  node("stem", "input"),
  node("a.conv1", "stem"),
  node("a.conv2", "a.conv1"),
  { name: "add", kind: "add", sources: ["a.conv2", "stem"] },
  node("b.conv1", "add"),
  node("b.conv2", "b.conv1"),
  { name: "add#2", kind: "add", sources: ["b.conv2", "add"] },
  { name: "output", kind: "output", sources: ["add#2"] },
];

test("a chain stays in one lane", () => {
  const rows = lanesOf([node("input"), node("1", "input"), node("2", "1")]);
  assert.deepEqual(rows.map(({ lane }) => lane), [0, 0, 0]);
  assert.deepEqual(rows.map(({ above }) => above), [[], [0], [0]]);
});

test("a shortcut keeps its lane while the block runs beside it, and both meet where they are added", () => {
  const rows = lanesOf(RESIDUAL);
  assert.deepEqual(rows.map(({ lane }) => lane), [0, 0, 1, 1, 0, 1, 1, 0, 0]);
  assert.deepEqual(rows[3].above, [0, 1]);
  assert.deepEqual(rows[4].joins, [1, 0]);
  assert.deepEqual(rows[4].below, [0]);
});

test("ways never share a lane, and every way that is waited for arrives", () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 200; round += 1) {
    const nodes = [node("input")];
    for (let index = 1; index < 40; index += 1) {
      const sources = new Set();
      for (let k = random(3); k >= 0; k -= 1) sources.add(nodes[Math.max(0, index - 1 - random(8))].name);
      nodes.push(node(`n${index}`, ...sources));
    }
    const running = new Map(); // lane -> name
    const last = new Map();
    nodes.forEach(({ sources }, index) => sources.forEach((name) => last.set(name, index)));
    const laneOf = new Map();
    lanesOf(nodes).forEach(({ node: { name, sources }, lane, above, below, joins }, index) => {
      assert.deepEqual(above, [...running.keys()].sort((a, b) => a - b));
      assert.deepEqual(joins, sources.map((source) => laneOf.get(source)));
      sources.forEach((source) => {
        assert.equal(running.get(laneOf.get(source)), source);
        if (last.get(source) === index) running.delete(laneOf.get(source));
      });
      assert.ok(!running.has(lane));
      laneOf.set(name, lane);
      if (last.has(name)) running.set(lane, name);
      assert.deepEqual(below, [...running.keys()].sort((a, b) => a - b));
    });
  }
});

test("layers with names of several parts form groups, and the sums among them belong there", () => {
  const groups = groupsOf(RESIDUAL);
  assert.deepEqual(Object.fromEntries(groups), {
    "a.conv1": "a",
    "a.conv2": "a",
    add: "a",
    "b.conv1": "b",
    "b.conv2": "b",
    "add#2": "b",
  });
  assert.equal(groupsOf([node("0"), node("3", "0")]).size, 0);
  assert.deepEqual([...groupsOf([node("/features/0/Conv"), node("/features/2/Conv")]).values()], ["features", "features"]);
});

test("a folded group takes all ways in and hands all ways on", () => {
  const groups = groupsOf(RESIDUAL);
  const folded = contracted(RESIDUAL, (name) => (groups.get(name) === "a" ? "a" : null));
  assert.deepEqual(
    folded.map(({ name, sources }) => [name, sources]),
    [
      ["input", []],
      ["stem", ["input"]],
      ["a", ["stem"]],
      ["b.conv1", ["a"]],
      ["b.conv2", ["b.conv1"]],
      ["add#2", ["b.conv2", "a"]],
      ["output", ["add#2"]],
    ],
  );
  assert.deepEqual(folded[2].members, ["a.conv1", "a.conv2", "add"]);
});
