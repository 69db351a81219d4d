"""All benches, one after the other: `make bench`, or `python -m tests.bench NAME…` for some.

Figures go to `build/bench/<name>.json`. Each bench measures ours and a named rival in one run and
prints the ratio; run them on a machine that does nothing else.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = Path("build") / "bench"


def main() -> int:
    """Run the benches that were named, or all; the exit code is the first that is not 0."""
    known = {path.stem.removeprefix("bench_"): path for path in sorted(FOLDER.glob("bench_*.py"))}
    names = sys.argv[1:] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no bench {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 64
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in names:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        command = [sys.executable, str(known[name]), "--json", str(RESULTS / f"{name}.json")]
        code = subprocess.run(command, check=False).returncode
        print(f"-- {name}: exit code {code}, {time.monotonic() - started:.0f} s", flush=True)
        failed = failed or code
    return failed


if __name__ == "__main__":
    sys.exit(main())
