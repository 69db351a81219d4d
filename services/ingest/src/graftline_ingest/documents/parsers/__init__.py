"""One module a format: a file becomes text, blocks, title and what else is known of it."""
