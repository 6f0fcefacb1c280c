"""What to settle before the project starts: items as data, ticked where the answer proves them."""
