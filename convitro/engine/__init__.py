"""What runs a layer: for every operator and problem, something that computes it."""
