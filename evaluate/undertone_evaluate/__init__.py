"""What `evaluate` does: a labelled set of recordings through a real graph, and a report of how well it did."""
