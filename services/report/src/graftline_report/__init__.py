"""The report stage: what a run came to, on one HTML page that needs nothing else.

findings.py    what the page says, gathered from all that follows
metrics.py     the evaluation's figures, split by split
examples.py    rows won, lost and still wrong
paragraphs.py  what those rows stand on
judged.py      what judges said of the data, and of two models' answers
refusals.py    rows that were refused, by reason
steps.py       what the manifests say: rows, cost, settings
charts.py      plots, as SVG
lineage.py     which step was made from which, as SVG
spelling.py    figures as people read them
page.html.j2, preference.html.j2, judgements.html.j2, style.css
"""
