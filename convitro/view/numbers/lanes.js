/** Where the ways of a network run when its nodes stand below each other: lanes, as of trains. */

/**
 * @typedef {{name: string, kind: string, sources: string[]}} Node
 * @typedef {{node: Node, lane: number, above: number[], below: number[], joins: number[]}} Row
 *   `above` and `below`: lanes that are in use at the upper and the lower edge of the row; `joins`: lanes from which a way
 *   leads into the node.
 */

/**
 * Give every node a lane so that no two ways lie upon each other. A node takes over the leftmost lane of a source that
 * nobody else is waiting for; a way that is still needed keeps its lane.
 * @param {Node[]} nodes in the order in which they run
 * @returns {Row[]}
 */
export function lanesOf(nodes) {
  const waiting = new Map(nodes.map(({ name }) => [name, 0]));
  for (const { sources } of nodes) for (const name of sources) waiting.set(name, (waiting.get(name) ?? 0) + 1);
  const laneOf = new Map();
  const used = []; // lane -> name of the node whose way runs there
  return nodes.map((node) => {
    const above = inUse(used);
    const sources = node.sources.filter((name) => laneOf.has(name));
    const joins = sources.map((name) => laneOf.get(name));
    for (const name of sources) {
      waiting.set(name, waiting.get(name) - 1);
      if (waiting.get(name) === 0) used[laneOf.get(name)] = undefined;
    }
    const free = joins.filter((lane) => used[lane] === undefined);
    const lane = free.length ? Math.min(...free) : firstFree(used);
    laneOf.set(node.name, lane);
    if (waiting.get(node.name) > 0) used[lane] = node.name;
    return { node, lane, above, below: inUse(used), joins };
  });
}

function inUse(used) {
  return [...used.keys()].filter((lane) => used[lane] !== undefined);
}

function firstFree(used) {
  const lane = used.findIndex((name) => name === undefined);
  return lane < 0 ? used.length : lane;
}

/**
 * Put nodes of a group together: its first place stands for all of them.
 * @param {Node[]} nodes
 * @param {(name: string) => string | null} groupOf the group into which a node goes, or null if it stays
 * @returns {(Node & {members?: string[]})[]}
 */
export function contracted(nodes, groupOf) {
  const standsFor = (name) => groupOf(name) ?? name;
  const groups = new Map();
  const found = [];
  for (const node of nodes) {
    const group = groupOf(node.name);
    const target = group === null ? { ...node, sources: [] } : groups.get(group);
    const entry = target ?? { name: group, kind: "group", sources: [], members: [] };
    if (group !== null) {
      entry.members.push(node.name);
      if (!target) groups.set(group, entry);
    }
    if (!target || group === null) found.push(entry);
    for (const source of node.sources.map(standsFor)) {
      if (source !== entry.name && !entry.sources.includes(source)) entry.sources.push(source);
    }
  }
  return found;
}

/**
 * The group of every node: the first part of a dotted name that several layers in a row share. What has no such name (a
 * sum, a concatenation) belongs to the group around it.
 * @param {Node[]} nodes
 * @returns {Map<string, string>} node name -> group name, only for nodes in groups
 */
export function groupsOf(nodes) {
  const parts = nodes.map(({ name, kind }) => (kind === "layer" ? firstPart(name) : undefined));
  const counts = new Map();
  for (const part of parts) if (part) counts.set(part, (counts.get(part) ?? 0) + 1);
  const groups = new Map();
  let last = null;
  nodes.forEach(({ name, kind }, index) => {
    const part = parts[index];
    if (part !== undefined) last = part && counts.get(part) > 1 ? part : null;
    if (kind === "input" || kind === "output" || last === null) return;
    groups.set(name, last);
  });
  return groups;
}

/** "layer1" of "layer1.0.conv2", "a/b" names by their first folder; null for a name without parts. */
function firstPart(name) {
  const found = /^\/?([^./#]+)[./]/.exec(name);
  return found ? found[1] : null;
}
