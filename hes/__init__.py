"""amiloop's head-end system: everything an operator installs."""
