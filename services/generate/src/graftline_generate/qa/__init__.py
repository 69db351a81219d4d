"""Questions and answers about chunks of documents, written by a language model.

- `definitions`: what is different for one document.
- `prompts`: what a model is asked, and the form of its answer.
- `pairs`: which pairs are of use, and the rows that they become.
- `units`: 64 chunks at a time, read, and kept once they are done.
- `asking`: the task as a whole on one rank.
- `gathering`: all units together: duplicates, counts, the outputs.
"""
