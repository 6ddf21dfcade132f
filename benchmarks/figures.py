"""Where the figures of a benchmark go: ``--json FILE|-``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_json_option(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the option; without a ``default`` there is a table for people where it is not given."""
    parser.add_argument(
        "--json", metavar="FILE|-", default=default, help="file for the figures as JSON, or - for stdout"
    )


def write_figures(figures: Any, target: str | None) -> bool:
    """Write the figures where the option says; return whether that is stdout, and nothing else belongs there."""
    if target == "-":
        json.dump(figures, sys.stdout, indent=1)
        print()
    elif target:
        Path(target).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return target == "-"
