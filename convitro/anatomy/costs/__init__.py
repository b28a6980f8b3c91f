"""What a network costs: its layers in rows, counted in one run, with advice; stacks side by side."""
