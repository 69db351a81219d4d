"""The `export` stage: an adapter in the forms that people load, checked to answer alike."""
