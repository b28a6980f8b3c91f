"""Diagnosis: what is wrong with a network, told by a pass over its data."""
