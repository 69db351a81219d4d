"""What the judge found, over all rows: verdicts, score bands, issues, validators."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

from graftline_judge.prompts import SEVERITIES
from graftline_judge.scoring import SCORES, VERDICTS
from graftline_judge.validators import NAMES

BANDS = 10
_FINDINGS = ("passed", "failed", "unknown")


class Summary:
    """Counts judgements; use `add` for each row, then `as_json`."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._rows = 0
        self._verdicts: Counter[str] = Counter()
        self._by_split: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._unjudged: Counter[str] = Counter()
        self._bands = [0] * BANDS
        self._totals: defaultdict[str, Fraction] = defaultdict(Fraction)
        self._issues: Counter[str] = Counter()
        self._rows_with_issues = 0
        self._validators: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, split: str, judgement: dict[str, Any]) -> None:
        """Count a row."""
        verdict = judgement["verdict"]
        self._rows += 1
        self._verdicts[verdict] += 1
        self._by_split[split][verdict] += 1
        if verdict == "UNJUDGED":
            self._unjudged[judgement["reason"]] += 1
        else:
            self._bands[min(int(judgement["overall"]), BANDS - 1)] += 1
            for name in (*SCORES, "overall"):
                self._totals[name] += Fraction(repr(judgement[name]))
        self._issues.update(issue["severity"] for issue in judgement["issues"])
        self._rows_with_issues += bool(judgement["issues"])
        for name, found in judgement["validators"].items():
            self._validators[name][_finding(found["passed"])] += 1

    @property
    def verdicts(self) -> dict[str, int]:
        """How many rows have each verdict."""
        return {verdict: self._verdicts[verdict] for verdict in VERDICTS}

    @property
    def unjudged(self) -> dict[str, int]:
        """How many rows were not judged, by reason."""
        return dict(sorted(self._unjudged.items()))

    @property
    def judged(self) -> int:
        """How many rows have scores."""
        return self._rows - self._verdicts["UNJUDGED"]

    def as_json(self) -> dict[str, Any]:
        """Give everything, for `summary.json`."""
        return {
            "rows": self._rows,
            "judged": self.judged,
            "verdicts": self.verdicts,
            "verdicts_by_split": {
                split: {verdict: counts[verdict] for verdict in VERDICTS}
                for split, counts in sorted(self._by_split.items())
            },
            "unjudged": self.unjudged,
            "mean": {name: self._mean(name) for name in ("overall", *SCORES)},
            # The last band holds 10 too.
            "bands": [
                {"from": band, "to": band + 1, "rows": rows}
                for band, rows in enumerate(self._bands)
            ],
            "issues": {severity: self._issues[severity] for severity in SEVERITIES},
            "rows_with_issues": self._rows_with_issues,
            "validators": {
                name: {finding: self._validators[name][finding] for finding in _FINDINGS}
                for name in NAMES
            },
            "recommendations": self._recommendations(),
        }

    def _mean(self, name: str) -> float | None:
        return round(float(self._totals[name] / self.judged), 4) if self.judged else None

    def _recommendations(self) -> list[str]:
        """Say in plain words what to look at, the most rows first."""
        found: list[tuple[int, str]] = []
        for reason, rows in self._unjudged.items():
            found.append((rows, f"rows UNJUDGED ({reason}): {rows:,}; {_unjudged_help(reason)}"))
        failed = self._verdicts["FAIL"]
        if failed:
            found.append((failed, f"rows that FAIL: {failed:,}; leave them out with a threshold"))
        review = self._verdicts["NEEDS_REVIEW"]
        if review:
            found.append((review, f"rows to review: {review:,}; read some before you keep them"))
        for name in NAMES:
            rows = self._validators[name]["failed"]
            if rows:
                found.append(
                    (rows, f"rows that fail the check '{name}': {rows:,}; {_CHECK_HELP[name]}")
                )
        return [text for _, text in sorted(found, key=lambda item: (-item[0], item[1]))]


def _finding(passed: bool | None) -> str:
    return "unknown" if passed is None else _FINDINGS[0] if passed else _FINDINGS[1]


_CHECK_HELP = {
    "grounding": "their answers use words or numbers that the source does not",
    "answerable": "their questions are none, or point at a text that the reader does not see",
    "language": "question, answer and source are not in one language",
    "length": "question or answer is too short or too long",
    "duplicate": "their questions nearly repeat earlier ones",
}


def _unjudged_help(reason: str) -> str:
    if reason in ("no-question", "no-answer"):
        return "they hold no question or no answer"
    if reason == "no-source":
        return "connect the input 'chunks', or judge rows that hold meta.source_text"
    if reason == "truncated":
        return "raise request.max_tokens"
    if reason in ("not-json", "schema-violation", "empty"):
        return "the model does not keep to the form; take a stronger one"
    if reason in ("refused", "content-filter"):
        return "the model or its provider declined"
    if reason in ("too-long", "bad-request"):
        return "the server cannot take them; see judgement.detail"
    return "the servers failed; see judgement.detail"
