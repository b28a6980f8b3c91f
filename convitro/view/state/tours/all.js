/** The tours, in the order in which the view "Learn" shows them. */

import { CONV2D } from "./conv2d.js";
import { KERNELS } from "./kernels.js";
import { MAPS } from "./maps.js";
import { NETWORK } from "./network.js";
import { WHY_SUM } from "./whysum.js";

/**
 * @typedef {import("../facts.js").Facts} Facts
 * @typedef {{
 *   view: string, title: string, at: string | ((layer: object) => string), words: (facts: Facts) => string | null, without?: () => string,
 *   state?: (facts: Facts) => {layer?: string, aggregation?: string, map?: string, play?: string},
 *   pixel?: (facts: Facts) => {y: number, x: number} | null
 * }} Step `at` are selectors of what the step speaks of, the first that finds something counts; `words` may emphasise with ** and `;
 *   `without` is said instead where the view needs a server and there is none; `play` is a setting as the address has it
 * @type {{id: string, title: string, question: string, seen: string, steps: Step[]}[]}
 */
export const TOURS = [WHY_SUM, CONV2D, MAPS, NETWORK, KERNELS];
