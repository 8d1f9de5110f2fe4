"""A run of scenarios for people (one page) and for pipelines (JUnit)."""
