"""How a network's last maps become its answer: features, the last linear layer, scores, shares."""
