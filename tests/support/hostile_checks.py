"""Checks that do, at a word of the response, what a check should not."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

CALLS = 0


def check(response: str, row: Mapping[str, Any]) -> Any:
    """Do what the first word says; else tell whether the response is of even length."""
    word, _, rest = response.partition(" ")
    if word == "child":  # begins a process of its own, writes its number down, and hangs
        child = subprocess.Popen(["sleep", "600"])
        Path(rest).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    return DEEDS[word](row) if word in DEEDS else len(response) % 2 == 0


def _print(_: object) -> bool:
    sys.stdout.write("printed" * 1000)
    sys.stdout.flush()
    os.write(1, b"written to stdout")
    os.write(2, b"written to stderr")
    return sys.stdin.read() == ""


def _raise(_: object) -> bool:
    raise KeyError("no\nsuch")


def _count(_: object) -> float:
    global CALLS
    CALLS += 1
    return float(CALLS)


DEEDS = {
    "exit": lambda _: sys.exit(3),
    "die": lambda _: os._exit(7),
    "crash": lambda _: ctypes.string_at(0),
    "hang": lambda _: time.sleep(600),
    "compute": lambda _: 3 ** (10**10),  # one operation that lets no other thread run
    "print": _print,
    "raise": _raise,
    "count": _count,
    "cannot": lambda _: None,
    "text": lambda _: "yes",
    "nan": lambda _: float("nan"),
    "numpy": lambda _: np.bool_(True),
    "half": lambda _: np.float32(0.5),
    "row": lambda row: row["wanted"],
}
