"""Any operator in one pass: every item of every filter is computed, folded into a state, and forgotten."""
