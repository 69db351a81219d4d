"""The process that parses: what a hostile file does to a parser, it does in here.

    python -m graftline_ingest.documents.worker SECONDS MIBIBYTES

Tasks come on stdin and answers go to stdout, each as MessagePack after its length. A task that
takes too long ends the process by its alarms, one that takes too much memory gets an error; the
process can write no file and has no environment to tell. Processor time is what counts, so that a
busy machine refuses no other files than an idle one.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
import traceback
from typing import IO

import msgspec

from graftline_ingest.documents.parsed import Answer, Task
from graftline_ingest.drafts import Refused

LENGTH = struct.Struct("<Q")
ALARMS = (signal.SIGPROF, signal.SIGALRM)
# For one that waits for ever instead of working.
_WALL = 10


def read_message(stream: IO[bytes]) -> bytes | None:
    """Read one message; nothing if the other side is gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def write_message(stream: IO[bytes], data: bytes) -> None:
    """Write one message."""
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def answer(task: Task) -> Answer:
    """Parse a file; whatever happens becomes an answer."""
    from graftline_ingest.documents.parsers.parse import parse

    try:
        return Answer(parsed=parse(task))
    except Refused as refused:
        return Answer(reason=refused.reason, detail=refused.detail)
    except MemoryError:
        return Answer(reason="too-large", detail="needs more memory than max_memory_mb to parse")
    except Exception:
        return Answer(bug=traceback.format_exc())


def set_alarms(seconds: int) -> None:
    """End this process after so many seconds of work; 0 for never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * _WALL)


def main(seconds: int, megabytes: int) -> None:
    """Serve until stdin ends."""
    tasks, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What a library prints must not stand among the answers.
    os.dup2(2, 1)
    for limit, value in (
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    for alarm in ALARMS:
        signal.signal(alarm, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    decoder = msgspec.msgpack.Decoder(Task)
    encode = msgspec.msgpack.Encoder().encode
    write_message(answers, b"ready")
    while (data := read_message(tasks)) is not None:
        set_alarms(seconds)
        try:
            reply = encode(answer(decoder.decode(data)))
        except MemoryError:
            reply = encode(Answer(reason="too-large", detail="its text does not fit into memory"))
        set_alarms(0)
        write_message(answers, reply)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
