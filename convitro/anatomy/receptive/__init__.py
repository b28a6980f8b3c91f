"""What every unit of a network can see of the image, followed through one run: `reach`, `layout`, `rules`."""
