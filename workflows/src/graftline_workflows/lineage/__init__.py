"""What an artifact, or a single row of one, was made from.

steps.py         the steps, back to the sources
stored_rows.py   rows of artifacts in the store, without fetching whole files
ancestors.py     the rows that some rows were made from, and their paragraphs
training.py      what the model learned of the same paragraph, or of others like it
row.py           all of that for one row, as `graftline lineage STEP --row ID` says it
"""

from graftline_workflows.lineage.steps import lineage_json, lineage_of

__all__ = ["lineage_json", "lineage_of"]
