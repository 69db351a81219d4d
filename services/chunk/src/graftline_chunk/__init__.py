"""The `chunk` stage: documents are cut into chunks with exact spans."""
