"""The layout `documents`: files and archives of files become documents with structure."""
