"""Control: what watches, limits and permits."""
