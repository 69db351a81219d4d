"""Kills the engine, a stage or the S3 server at random moments of a run, and runs again.

    python tests/fault/kill_and_resume.py json-extraction --profile tiny --kills 30

What must hold: the same keys and output digests as those of an undisturbed run; whatever is
visible in the store after a kill is whole; and nothing that was committed is done again. The
outputs of `report` hold costs and times, so they are compared by their keys alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from graftline.errors import EXIT_TRANSIENT
from graftline.store import EmbeddedStore, Manifests, Store
from graftline_workflows.home import Home
from graftline_workflows.session import StoreSession

GRAFTLINE = f"{sys.executable} -m graftline_workflows.cli.main"
KEYS_ONLY = ("report",)
VICTIMS = ("engine", "stage", "s3")
RUN_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Options:
    """What to run, and how hard to hit it."""

    recipe: str
    arguments: tuple[str, ...] = ()
    kills: int = 30
    seed: int = 0
    command: str = GRAFTLINE
    keys_only: tuple[str, ...] = KEYS_ONLY
    victims: tuple[str, ...] = VICTIMS
    exit_codes: tuple[int, ...] = (0, 1)


@dataclass
class Tally:
    """What happened."""

    kills: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    restarts: int = 0
    committed_steps: int = 0
    problems: list[str] = field(default_factory=list)


class Trouble(AssertionError):
    """A promise was broken."""


def start(options: Options, home: Path) -> subprocess.Popen[bytes]:
    """Start a run in a home, its output beside it."""
    command = [
        *shlex.split(options.command),
        *("run", options.recipe, *options.arguments, "--home", str(home)),
    ]
    home.mkdir(parents=True, exist_ok=True)
    with (home / "engine.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


@dataclass(frozen=True)
class Seen:
    """A committed step."""

    step: str
    stage: str
    digest: str
    outputs: dict[str, str]


def committed(home: Path) -> dict[str, Seen]:
    """Give all that is visible, by key, having seen that it is whole."""
    found = {}
    with StoreSession(Home(home)) as session:
        manifests = Manifests(session.store)
        for key in keys_in(session.store):
            lookup = manifests.lookup(key)
            if lookup.manifest is None or lookup.problem:
                raise Trouble(f"key {key[:12]} is visible and not whole: {lookup.problem}")
            manifest = lookup.manifest
            outputs = {item.port: item.artifact.digest for item in manifest.outputs}
            found[key] = Seen(manifest.step, manifest.stage, lookup.digest, outputs)
    return found


def keys_in(store: Store) -> list[str]:
    """Name the keys that have a manifest."""
    names = (item.name for item in store.list("steps/"))
    return [name.split("/")[1] for name in names if name.endswith("/manifest.binpb")]


def outcome(home: Path, keys_only: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Give what a complete run left, as far as it has to be the same every time."""
    return {
        key: {} if seen.stage in keys_only else seen.outputs
        for key, seen in committed(home).items()
    }


def victim_pids(victim: str, home: Path, engine: int) -> list[int]:
    """Find the processes of a kind that run now."""
    if victim == "engine":
        return [engine]
    if victim == "stage":
        notes = [path.read_text() for path in (home / "steps").glob("*.pid")]
        return [int(json.loads(note)["pid"]) for note in notes if note]
    return EmbeddedStore(home).process_ids


def started_steps(home: Path) -> dict[str, set[str]]:
    """Give the names of the steps whose processes were started, by run."""
    found: dict[str, set[str]] = {}
    for path in (home / "runs").glob("*/*.log"):
        found.setdefault(path.parent.name, set()).add(path.stem)
    return found


def one_round(
    options: Options,
    home: Path,
    chance: random.Random,
    wanted_s: float,
    tally: Tally,
    left: int,
) -> None:
    """Run to the end in a fresh home, with kills on the way."""
    seen: dict[str, Seen] = {}
    earlier_runs: set[str] = set()
    engine = start(options, home)
    deadline = time.monotonic() + RUN_LIMIT_S
    while True:
        pause = chance.uniform(0.05, max(0.3, wanted_s * 0.6)) if left > 0 else RUN_LIMIT_S
        try:
            code = engine.wait(min(pause, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                os.killpg(engine.pid, signal.SIGKILL)
                raise Trouble(f"a run in {home} did not end; see {home}/engine.log") from None
        else:
            check_not_redone(home, seen, earlier_runs)
            if code in options.exit_codes:
                return
            if code != EXIT_TRANSIENT:
                raise Trouble(f"exit code {code}; see {home}/engine.log")
            # A step that was killed three times over: the run says "run the same command again".
            tally.restarts += 1
            engine = start(options, home)
            continue
        victim = chance.choice(options.victims)
        killed = 0
        for pid in victim_pids(victim, home, engine.pid):
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
        if not killed:
            continue
        left -= 1
        tally.kills[victim] = tally.kills.get(victim, 0) + 1
        if victim == "engine":
            engine.wait()
            check_not_redone(home, seen, earlier_runs)
            seen = committed(home)
            earlier_runs = set(started_steps(home))
            tally.committed_steps += len(seen)
            tally.restarts += 1
            engine = start(options, home)


def check_not_redone(home: Path, seen: dict[str, Seen], earlier_runs: set[str]) -> None:
    """Make sure that what was committed at the last kill was neither lost, replaced nor started.

    Args:
        home: The home.
        seen: What was committed then.
        earlier_runs: The runs up to then.
    """
    now = committed(home)
    changed = [item.step for key, item in seen.items() if now.get(key) != item]
    if changed:
        raise Trouble(f"committed steps are gone or were replaced: {changed}; see {home}")
    names = {item.step for item in seen.values()}
    for run, steps in started_steps(home).items():
        if run not in earlier_runs and steps & names:
            raise Trouble(f"run {run} started committed steps: {sorted(steps & names)}; see {home}")


def torture(options: Options, work: Path, say: object = print) -> Tally:
    """Run undisturbed once, then with kills until there were enough; compare.

    Raises:
        Trouble: A promise was broken; the homes are left for inspection.
    """
    tell = say if callable(say) else print
    began = time.monotonic()
    calm = start(options, work / "calm")
    code = calm.wait(RUN_LIMIT_S)
    wanted_s = time.monotonic() - began
    if code not in options.exit_codes:
        raise Trouble(f"the undisturbed run: exit code {code}; see {work}/calm/engine.log")
    wanted = outcome(work / "calm", options.keys_only)
    tell(f"undisturbed: {len(wanted)} steps in {wanted_s:.1f} s")
    chance, tally = random.Random(options.seed), Tally()
    while sum(tally.kills.values()) < options.kills:
        tally.rounds += 1
        home = work / f"round-{tally.rounds}"
        left = options.kills - sum(tally.kills.values())
        one_round(options, home, chance, wanted_s, tally, left)
        found = outcome(home, options.keys_only)
        if found != wanted:
            raise Trouble(f"round {tally.rounds}: {difference(wanted, found)}; see {home}")
        shutil.rmtree(home)
        tell(f"round {tally.rounds}: same keys and digests; kills so far {tally.kills}")
    return tally


def difference(wanted: dict[str, dict[str, str]], found: dict[str, dict[str, str]]) -> str:
    """Say what differs."""
    missing = [key[:12] for key in wanted if key not in found]
    extra = [key[:12] for key in found if key not in wanted]
    other = [key[:12] for key in wanted if key in found and found[key] != wanted[key]]
    return f"missing {missing}, unexpected {extra}, other outputs {other}"


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("recipe")
    parser.add_argument("--profile", default="")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", default=GRAFTLINE)
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    arguments = ["--profile", given.profile] if given.profile else []
    for text in given.overrides:
        arguments += ["--set", text]
    options = Options(
        recipe=given.recipe,
        arguments=tuple(arguments),
        kills=given.kills,
        seed=given.seed,
        command=given.command,
        victims=tuple(given.victims.split(",")),
    )
    work = given.work or Path(tempfile.mkdtemp(prefix="graftline-fault-"))
    try:
        tally = torture(options, work)
    except Trouble as error:
        sys.exit(f"not kept: {error}")
    print(
        f"kept: {sum(tally.kills.values())} kills {tally.kills} in {tally.rounds} rounds,"
        f" {tally.restarts} restarts; {tally.committed_steps} committed steps seen, none done again"
    )
    shutil.rmtree(work / "calm", ignore_errors=True)


if __name__ == "__main__":
    main()
