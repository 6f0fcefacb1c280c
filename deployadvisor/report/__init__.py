"""Pages made of one answer."""
