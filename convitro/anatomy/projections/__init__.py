"""The activity of a filter, sent back to the image: a backward pass with other rules."""
