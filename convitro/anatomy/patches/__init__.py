"""What makes a filter most active: one pass over a data set that keeps the strongest patches."""
