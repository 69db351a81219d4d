"""The report stage: what a run came to, on one HTML page that needs nothing else.

findings.py   what the page says, gathered from metrics and manifests
examples.py   rows won, lost and still wrong
charts.py     plots, as SVG
lineage.py    which step was made from which, as SVG
page.html.j2, style.css
"""
