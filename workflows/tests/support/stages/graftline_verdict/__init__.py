"""A stage for tests."""
