"""Make a small working set to try rewardrouter on, in seconds, without network or downloads.

    python examples/quickstart.py [FOLDER]        FOLDER is ./quickstart unless given

It is a toy: pairs of three kinds are put together from a few sentences, one response of each pair is
written to be the better one, and that is the human label. The reward models are real, if tiny: plain
functions of prompt and response that see no label. Each is good at the kind it was written for and poor
elsewhere, as comes of what it looks at. So the set shows how the commands work, not how much is gained.

The reward models also show how to bring one of your own: a name, and ``judge`` (class ``Scorer`` below).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Verdict

# Four reward models: what to score, and what makes each of them a reward model.


@dataclasses.dataclass(frozen=True)
class Scorer:
    """A pointwise reward model: scores each response, and the higher score wins."""

    name: str
    score: Callable[[str, str], float]

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return one verdict per pair, in order; a call that fails would be ``Verdict.failed(name, why)``."""
        return [
            Verdict.from_scores(
                self.name,
                self.score(str(pair.prompt), str(pair.response_a)),
                self.score(str(pair.prompt), str(pair.response_b)),
            )
            for pair in pairs
        ]


def calculator(prompt: str, response: str) -> float:
    """Do the sum and look for the result; where nothing is to be computed, be impressed by digits."""
    task = re.search(r"(\d+) ([+-]) (\d+)", prompt)
    if task is None:
        return sum(character.isdigit() for character in response) / 10
    a, sign, b = int(task[1]), task[2], int(task[3])
    return 1.0 if str(a + b if sign == "+" else a - b) in re.findall(r"\d+", response) else 0.0


def courtesy(_prompt: str, response: str) -> float:
    """Count kind words, less unkind ones."""
    words = re.findall(r"\w+", response.lower())
    kind = sum(word in {"please", "happy", "glad", "welcome", "thanks", "sorry"} for word in words)
    return float(kind - sum(word in {"seriously", "stupid", "lazy", "obviously", "duh"} for word in words))


def brevity(_prompt: str, response: str) -> float:
    """Prefer fewer words."""
    return -float(len(response.split()))


def echo(prompt: str, response: str) -> float:
    """Share of the prompt's words that come back."""
    asked = set(re.findall(r"\w+", prompt.lower()))
    return len(asked & set(re.findall(r"\w+", response.lower()))) / max(len(asked), 1)


REWARD_MODELS: tuple[RewardModel, ...] = tuple(
    Scorer(function.__name__, function) for function in (calculator, courtesy, brevity, echo)
)

# The pairs: each kind makes a prompt, a better and a worse response for problem number `n`.

CAPITALS = (
    "Angola Luanda, Austria Vienna, Bahrain Manama, Belgium Brussels, Bolivia Sucre, Bulgaria Sofia, Canada "
    "Ottawa, Chile Santiago, Colombia Bogota, Croatia Zagreb, Cuba Havana, Cyprus Nicosia, Denmark "
    "Copenhagen, Ecuador Quito, Egypt Cairo, Estonia Tallinn, Fiji Suva, Finland Helsinki, France Paris, "
    "Georgia Tbilisi, Germany Berlin, Ghana Accra, Greece Athens, Guyana Georgetown, Hungary Budapest, "
    "Iceland Reykjavik, Iran Tehran, Iraq Baghdad, Ireland Dublin, Italy Rome, Jamaica Kingston, Japan "
    "Tokyo, Jordan Amman, Kenya Nairobi, Laos Vientiane, Latvia Riga, Lebanon Beirut, Liberia Monrovia, "
    "Libya Tripoli, Lithuania Vilnius, Mali Bamako, Malta Valletta, Mongolia Ulaanbaatar, Morocco Rabat, "
    "Namibia Windhoek, Nepal Kathmandu, Niger Niamey, Norway Oslo, Oman Muscat, Paraguay Asuncion, Peru "
    "Lima, Poland Warsaw, Portugal Lisbon, Qatar Doha, Romania Bucharest, Russia Moscow, Rwanda Kigali, "
    "Senegal Dakar, Serbia Belgrade, Slovakia Bratislava, Slovenia Ljubljana, Spain Madrid, Sudan Khartoum, "
    "Sweden Stockholm, Syria Damascus, Thailand Bangkok, Tunisia Tunis, Turkey Ankara, Uganda Kampala, "
    "Ukraine Kyiv, Uruguay Montevideo, Venezuela Caracas, Vietnam Hanoi, Zambia Lusaka, Zimbabwe Harare"
)
THINGS = ("printer", "router", "toaster", "bicycle", "heater", "camera", "kettle", "radio", "lamp", "clock")
TASKS = ("reset", "clean", "repair", "sell", "move", "store", "test")
FACTS = [tuple(fact.split()) for fact in CAPITALS.split(", ")]


@dataclasses.dataclass(frozen=True)
class Draft:
    """A pair before it is decided which response comes first."""

    prompt: str
    better: str
    worse: str


def arithmetic(n: int, rng: random.Random) -> Draft:
    """One response has the right result; the other, now and then, has it too but takes it back."""
    a, b, sign = 40 + 7 * n % 53, 3 + 5 * n % 31, "+-"[n % 2]
    result = a + b if sign == "+" else a - b
    wrong = result + rng.choice([-10, -2, -1, 1, 2, 10])

    def answer(value: str) -> str:
        opening = rng.choice(["", "Happy to help. ", "Easy. ", "Let us see: ", "Obviously. "])
        closing = rng.choice(["", " You are welcome!", " I checked it twice.", " Ask me for more of these."])
        return f"{opening}{rng.choice([f'{a} {sign} {b} = {value}', f'It is {value}'])}.{closing}"

    prompt = rng.choice(["What is {}?", "Compute {}.", "How much is {}?"]).format(f"{a} {sign} {b}")
    worse = f"{wrong}" if rng.random() < 0.85 else f"{result}, or rather {wrong}"
    return Draft(prompt, answer(f"{result}"), answer(worse))


def manners(n: int, rng: random.Random) -> Draft:
    """Both responses give advice, one politely; the other, now and then, is rude in kind words."""
    task, thing = TASKS[n // len(THINGS)], THINGS[n % len(THINGS)]

    def advice() -> str:
        time = rng.choice(["10 minutes", "ten minutes", "2 or 3 hours", "an hour"])
        step = rng.choice(["unplug it and read the label", f"ask in a {thing} shop", "look for the manual"])
        return f"{step}; that takes {time}{rng.choice(['', ', or a little more if you are new to it'])}."

    polite = rng.choice(
        ["Glad you ask! Please {}", "Happy to help: {}", "Thanks for asking. First {}", "Please {}"]
    )
    rude = rng.choice(
        ["Seriously? Just {}", "Do not be so lazy, {}", "Obviously you {}", "Such a stupid thing: {}"]
    )
    if rng.random() < 0.15:
        rude = "Happy to explain what everybody else knows, so please listen and say thanks: {}"
    return Draft(f"How do I {task} my {thing}?", polite.format(advice()), rude.format(advice()))


def answers(n: int, rng: random.Random) -> Draft:
    """One response is short and complete; the other rambles or, now and then, is short and wrong."""
    (country, capital), (_, other) = FACTS[n], FACTS[(n + 11) % len(FACTS)]
    rambling = (
        f"I am happy you ask about {country}, as there is much to say, and please bear with me:"
        f" {rng.choice(['some 1,200 years ago', 'in 3 of 4 books', 'as I was once told'])} people would have"
        f" named another city, which I may come back to, but all in all it might be {capital}."
    )
    short = rng.choice([f"{capital}.", f"It is {capital}.", f"The capital of {country} is {capital}."])
    return Draft(
        f"What is the capital of {country}?", short, rambling if rng.random() < 0.85 else f"{other}."
    )


KINDS: tuple[Callable[[int, random.Random], Draft], ...] = (arithmetic, manners, answers)


def make_rows(problems: Sequence[int], rng: random.Random) -> list[dict[str, Any]]:
    """Return two labelled pairs of each kind for every problem number; pairs of one problem share a group."""
    rows = []
    for n in problems:
        for kind in KINDS:
            for version in (1, 2):
                draft, label = kind(n, rng), rng.choice("AB")
                a, b = (draft.better, draft.worse) if label == "A" else (draft.worse, draft.better)
                rows.append(
                    {
                        "id": f"{kind.__name__}-{n}-{version}",
                        "prompt": draft.prompt,
                        "response_a": a,
                        "response_b": b,
                        "label": label,
                        "domain": kind.__name__,
                        "group": f"{kind.__name__}-{n}",
                    }
                )
    return rows


def write_verdicts(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Ask every reward model about every pair, and write one wide table."""
    pool = RewardModelPool(REWARD_MODELS)
    pairs = [PreferencePair(row["id"], row["prompt"], row["response_a"], row["response_b"]) for row in rows]
    table = pd.DataFrame(rows)
    for name in pool.names:
        verdicts = pool.judge(name, pairs)
        table[f"score_a__{name}"] = [verdict.score_a for verdict in verdicts]
        table[f"score_b__{name}"] = [verdict.score_b for verdict in verdicts]
    table.to_parquet(path)


POOL = """\
# The reward models that `rewardrouter annotate` may ask: here all that have verdicts in one file.
rms:
  - kind: recorded
    source: new_verdicts.parquet  # relative to this file
"""


def main() -> None:
    """Write the working set."""
    parser = argparse.ArgumentParser(description="Make a small working set to try rewardrouter on.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("quickstart"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)

    rng = random.Random(arguments.seed)
    problems = rng.sample(range(70), 70)
    write_verdicts(make_rows(problems[:40], rng), folder / "verdicts.parquet")
    write_verdicts(make_rows(problems[40:60], rng), folder / "held_out.parquet")
    new = [
        {name: value for name, value in row.items() if name != "label"}
        for row in make_rows(problems[60:], rng)
    ]
    (folder / "new_pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new), encoding="utf-8")
    write_verdicts(new, folder / "new_verdicts.parquet")
    (folder / "pool.yaml").write_text(POOL, encoding="utf-8")
    print(
        f"Working set in {folder}: verdicts.parquet, held_out.parquet, new_pairs.jsonl, new_verdicts.parquet, pool.yaml"
    )


if __name__ == "__main__":
    main()
