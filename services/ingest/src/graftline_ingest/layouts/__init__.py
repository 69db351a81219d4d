"""What a record means: from each known layout to a draft of an example."""
