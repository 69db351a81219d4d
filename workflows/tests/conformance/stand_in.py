"""Stands in for docker where there is none: records how it is called, runs stages as processes.

It confines nothing. What it is told to take from a container it puts into the variable LIMITS,
so that a stage can behave as if. Its files lie beside it: calls.jsonl, image.json, *.pid.
"""

import json
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).parent
STAGE = "from graftline.runner.main import run_image; run_image()"
LIMITS = {"--user", "--read-only", "--cap-drop", "--network"}


def run(words):
    name = words[words.index("--name") + 1]
    at = words.index("--entrypoint")
    if words[at + 1] != "graftline-stage" or (HERE / "no-command").exists():
        sys.stderr.write("exec: graftline-stage: executable file not found in $PATH\n")
        sys.exit(127)
    image = json.loads((HERE / "image.json").read_text())[0]["Config"]
    environment = dict(text.split("=", 1) for text in image["Env"])
    given = [words[i + 1] for i, word in enumerate(words[:at]) if word == "--env"]
    for text in given:
        key, equals, value = text.partition("=")
        environment[key] = value if equals else os.environ[key]
    closed = any(word.endswith("-closed") for word in words)
    limits = [word for word in words if word in LIMITS and (word != "--network" or closed)]
    environment |= {"LIMITS": " ".join(limits), "PATH": os.environ["PATH"]}
    (HERE / f"{name}.pid").write_text(str(os.getpid()))
    os.execve(sys.executable, [sys.executable, "-c", STAGE, *words[at + 3 :]], environment)


def say(text):
    sys.stdout.write(f"{text}\n")


def send(name, number):
    try:
        os.kill(int((HERE / f"{name}.pid").read_text()), number)
    except (OSError, ValueError):
        return 1
    return 0


def main(words):
    with (HERE / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    if words == ["version"]:
        say((HERE / "version").read_text())
    elif words[:2] == ["image", "inspect"]:
        say((HERE / "image.json").read_text())
    elif words[:2] == ["network", "create"]:
        with (HERE / "networks").open("a") as networks:
            networks.write(words[-1] + "\n")
    elif words[:2] == ["network", "inspect"]:
        gateway = (HERE / "gateway").read_text()
        say(json.dumps([{"IPAM": {"Config": [{"Subnet": "127.0.0.0/8", "Gateway": gateway}]}}]))
    elif words[:2] == ["network", "ls"]:
        say((HERE / "networks").read_text())
    elif words[:2] == ["network", "rm"]:
        (HERE / "networks").write_text("")
    elif words[0] == "run":
        run(words)
    elif words[0] == "kill":
        return send(words[-1], signal.SIGTERM)
    elif words[0] == "rm":
        return send(words[-1], signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
