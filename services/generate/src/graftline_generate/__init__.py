"""The stage `generate`: examples from a task's specification."""
