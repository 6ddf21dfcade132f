"""Replay one verdict table as the paper does: fit on one part, stream another, all strategies and controls.

    python benchmarks/replay.py --verdicts V --out DIR [--rms a,b,c] [--stream half|DOMAIN] [--set NAME] [--seeds K]

``--stream half``: the router is fitted to half of the problems (groups) and the other half is streamed. A domain's
name: fitted to all other domains, that one is streamed (a shift). The small policy first learns the texts that the
router was fitted to. Everything goes through the commands ``fit``, ``simulate`` and ``report``; run again with
``--resume`` after an interruption. What follows ``--`` goes to ``simulate``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from rewardrouter.cli.main import main as rewardrouter
from rewardrouter.offline.splits import holdout

PRIOR_VARIANCES = ("0.001", "0.003", "0.01", "0.1", "0.3", "1")  # 0.02 is the router's own

SETS = {
    "paper": "router,without-offline,without-offline:contexts=encoder,without-online,weighted-score:alpha=0.25,"
    "weighted-score,weighted-score:alpha=0.75,laser,full-advantage,full-advantage:prior=offline,light-advantage,"
    "light-advantage:prior=offline,thompson-batch,linucb-pair,linucb-batch,neural-linear,majority,uwo,random,"
    "single,oracle",
    "rewards": ",".join(
        f"{strategy}{':' if ':' not in strategy else ','}reward={reward}" if reward != "loss" else strategy
        for strategy in ("router", "without-offline", "router:prior=permuted")
        for reward in ("loss", "shuffled", "constant", "truth")
    ),
    "shift": "router,router:reward=truth,router:prior_variance=0.3,without-offline,without-online,single,random,oracle",
    "variances": "router," + ",".join(f"router:prior_variance={value}" for value in PRIOR_VARIANCES),
}
"""Lists of strategies; ``all`` is every one of them."""


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--verdicts", type=Path, required=True, help="a wide parquet file with a column group"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rms", help="the pool; by default every RM")
    parser.add_argument("--stream", default="half", help="half, or a domain")
    parser.add_argument("--set", default="paper", choices=[*SETS, "all"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--resume", action="store_true")
    given, rest = parser.parse_known_args()
    simulate_words = [word for word in rest if word != "--"]
    folder: Path = given.out
    folder.mkdir(parents=True, exist_ok=True)
    fitted, streamed, router = folder / "fitted.parquet", folder / "streamed.parquet", folder / "router"
    if not router.exists():
        table = pd.read_parquet(given.verdicts)
        stream = (
            holdout(table["group"].astype(str).to_numpy(), 0.5, seed=0)
            if given.stream == "half"
            else (table["domain"] == given.stream).to_numpy()
        )
        table[~stream].to_parquet(fitted)
        table[stream].to_parquet(streamed)
        pool = ["--rms", given.rms] if given.rms else []
        words = ["fit", "--verdicts", str(fitted), "--freeze-encoder", "--out", str(router), *pool]
        if code := rewardrouter(words):
            return code
    asked = ",".join(SETS.values()) if given.set == "all" else SETS[given.set]
    run = folder / f"run-{given.set}"
    words = ["simulate", "--verdicts", str(streamed), "--router", str(router), "--out", str(run)]
    words += [
        "--policy-texts",
        str(fitted),
        "--strategies",
        asked,
        "--seeds",
        str(given.seeds),
        *simulate_words,
    ]
    if code := rewardrouter([*words, *(["--resume"] if given.resume else [])]):
        return code
    return rewardrouter(["report", str(run)])


if __name__ == "__main__":
    sys.exit(main())
