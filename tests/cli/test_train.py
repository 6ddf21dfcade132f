"""``train``: a run from a file of settings, its mistakes, and going on with it."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Ended, done, refused, run, start
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from vllm_like import serving

from rewardrouter.testing.loopback import changed, status

Words = list[str | Path]


@pytest.fixture
def settings(train_settings: dict[str, Any]) -> dict[str, Any]:
    """Three steps of four prompts."""
    return {**train_settings, "steps": 3, "prompts_per_step": 4}


@pytest.fixture
def file(settings: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_leaves_policy_annotator_records_and_figures(
    file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ended = done("train", "--config", file, "--out", out, "--verifier=verifiers:even", "--log_every=1")
    assert {path.name for path in out.iterdir() if not path.name.startswith((".", "checkpoint"))} == {
        *("config.yaml", "metrics.jsonl", "decisions.jsonl", "policy", "annotator.safetensors"),
        *("summary.json", "results.json", "README.md"),
    }
    assert (out / "policy" / "adapter_model.safetensors").exists()
    steps, decisions = lines(out / "metrics.jsonl"), lines(out / "decisions.jsonl")
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert len(decisions) == sum(step["pairs"] for step in steps) > 0
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["kind"] == "training"
    assert results["strategies"]["router"]["calls"] == sum(len(row["verdicts"]) for row in decisions)
    assert "Step    3/3" in ended.err
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"fine-tuned version of `{Path(settings['policy']['checkpoint']).name}`." in card
    assert 'model="policy"' in card
    assert "None" not in card
    assert "3 steps of 4 prompts" in ended.out
    assert f"Policy: {out / 'policy'}" in ended.out


def test_a_finished_run_is_shown_again_and_not_run_again(file: Path, tmp_path: Path) -> None:
    first = done("train", "--config", file, "--out", tmp_path / "run")
    before = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "run").rglob("*")
        if path.name == "metrics.jsonl"
    }
    assert done("train", "--resume", tmp_path / "run").out == first.out
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert "holds a run; go on with --resume" in refused("train", "--config", file, "--out", tmp_path / "run")


def test_strategies_and_seeds_are_compared(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    words: Words = [
        "train",
        "--config",
        file,
        "--out",
        out,
        "--strategies",
        "router,random,laser",
        "--workers",
        "1",
    ]
    ended = done(*words, "--seeds", "2", "--steps=2")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert list(results["strategies"]) == ["router", "random", "laser"]
    assert (results["seeds"], results["reference"]) == ([0, 1], "router")
    assert ended.out.count("\n") > 4
    assert (out / "runs" / "laser" / "1" / "summary.json").exists()


MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown key": (
        ["--policy.learning_rte=1"],
        "policy.learning_rte: unknown key. Did you mean learning_rate?",
    ),
    "unknown section": (["--generator.responses=2"], "generator: unknown key. Did you mean generation?"),
    "value": (["--policy.beta=-1"], "policy.beta"),
    "oracle": (
        ["--annotator.strategy=oracle"],
        "verifier: missing; annotator.strategy oracle labels with it",
    ),
    "evaluation": (["--evaluation.source=x.jsonl"], "verifier: missing; evaluation needs one"),
    "verifier": (["--verifier=nowhere:f"], "verifier: nowhere:f cannot be imported"),
    "verifier's function": (["--verifier=math:f"], "verifier: math:f cannot be imported"),
    "microbatches": (["--microbatches=3"], "microbatches 3: must divide prompts_per_step 4"),
    "pairs": (["--pairs.per_prompt=4"], "pairs.per_prompt 4: 3 responses have 3 pairs"),
    "too few prompts": (["--prompts_per_step=400"], "can be used, but a step takes 400"),
    "prompts": (["--prompts.source=nowhere.jsonl"], "nowhere.jsonl"),
    "all too long": (["--prompts.max_tokens=1"], "prompts: none can be used, all 16 have more than 1 tokens"),
    "policy": (["--policy.checkpoint=/nowhere"], "/nowhere"),
    "target": (
        ["--policy.lora.target_modules=[x]"],
        "policy.lora.target_modules: LlamaForCausalLM has no x. It has:",
    ),
    "too long": (["--generation.max_new_tokens=900"], "reads 256 tokens"),
    "strategy": (["--annotator.strategy=rooter"], "rooter"),
    "budget": (["--annotator.strategy=router+cascade@0.5"], "less than one call to the cheapest"),
    "router": (["--annotator.router=nowhere"], "nowhere"),
    "pool": (["--annotator.pool=nowhere.yaml"], "nowhere.yaml"),
    "TRL's": (["--arguments={warmup: 3}"], "arguments: TRL's DPOConfig says: "),
    "TRL's twice": (["--arguments={beta: 3}"], "arguments.beta: is set elsewhere in the configuration"),
    "tracker": (["--report_to=[nowhere]"], "report_to: nowhere is not supported"),
    "missing tracker": (["--report_to=[comet_ml]"], "report_to: CometCallback requires comet-ml"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(file: Path, tmp_path: Path, mistake: str) -> None:
    words, complaint = MISTAKES[mistake]
    assert complaint in refused("train", "--config", file, "--out", tmp_path / "run", *words)


def test_mistakes_of_the_command_are_one_line(file: Path, tmp_path: Path) -> None:
    assert "--out: missing" in refused("train", "--config", file)
    assert "Run         no --out is given" in done("train", "--config", file, "--dry-run").out
    assert "holds no run (no config.yaml)" in refused("train", "--resume", tmp_path / "nowhere")
    done("train", "--config", file, "--out", tmp_path / "run", "--steps=1")
    assert "leave out --config, --out" in refused("train", "--resume", tmp_path / "run", "--config", file)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("Dear", encoding="utf-8")
    complaint = refused("train", "--config", file, "--out", tmp_path / "full")
    assert complaint.endswith("is not empty and holds no run; give another folder")


def test_a_router_whose_reward_models_the_pool_lacks_is_refused(
    file: Path, train_settings: dict[str, Any], tmp_path: Path
) -> None:
    pool = yaml.safe_load(Path(train_settings["annotator"]["pool"]).read_text(encoding="utf-8"))
    pool["rms"] = pool["rms"][1:]
    (tmp_path / "fewer.yaml").write_text(yaml.safe_dump(pool), encoding="utf-8")
    words = [
        "train",
        "--config",
        file,
        "--out",
        tmp_path / "run",
        f"--annotator.pool={tmp_path / 'fewer.yaml'}",
    ]
    assert "fewer.yaml: has no calculator, which the router knows. It holds: " in refused(*words)


def interrupted(file: Path, out: Path, number: signal.Signals, *words: str) -> Ended:
    """Start a long run, and signal it once it has some steps."""
    process = start("train", "--config", file, "--out", out, "--steps=5000", "--save_every=2", *words)
    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        if (out / "metrics.jsonl").exists() and len(lines(out / "metrics.jsonl")) > 3:
            break
        time.sleep(0.05)
    os.kill(process.pid, number)
    said, told = process.communicate(timeout=60)
    return Ended(process.returncode, said, told)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(file: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "run"
    ended = interrupted(file, out, number)
    assert ended.code != 0
    assert f"rewardrouter train --resume {out} goes on" in ended.err
    assert "Traceback" not in ended.err
    steps = len(lines(out / "metrics.jsonl"))
    assert "steps: the run in" in refused("train", "--resume", out, f"--steps={steps + 4}")
    assert "seed: the run in" in refused("train", "--resume", out, "--seed=1")


@pytest.mark.slow
def test_two_processes_do_not_write_one_run(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start("train", "--config", file, "--out", out, "--steps=5000")
    try:
        while process.poll() is None and not (out / "metrics.jsonl").exists():
            time.sleep(0.05)
        assert "another process is at work in it" in refused("train", "--resume", out)
    finally:
        process.kill()
        process.communicate()


def test_what_decides_nothing_may_change_on_resuming(file: Path, tmp_path: Path) -> None:
    done("train", "--config", file, "--out", tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()  # killed just before its end
    ended = run("train", "--resume", tmp_path / "run", "--log_every=1", "--keep=1", "--save_every=3")
    assert ended.code == 0, ended.err
    assert len(lines(tmp_path / "run" / "metrics.jsonl")) == 3
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))["keep"] == 1


def test_help_names_the_settings(tmp_path: Path) -> None:
    shown = done("train", "--help").out
    assert "--policy.beta" in shown
    assert "--resume RUN" in shown


def test_training_needs_its_extra(file: Path, tmp_path: Path) -> None:
    """Without TRL the command says what to install."""
    code = "import sys; sys.modules['trl'] = None\nfrom rewardrouter.cli.main import main; sys.exit(main())"
    process = start("train", "--config", file, "--out", tmp_path / "run", code=code)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 2, told
    assert "pip install 'rewardrouter[train]'" in told


@pytest.mark.slow
def test_the_benchmark_of_a_step_measures_every_variant(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "train_step.py"
    out = tmp_path / "figures.json"
    words = ["--config", str(file), "--steps", "7", "--rounds", "1", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", [str(script), *words])
    monkeypatch.syspath_prepend(script.parent)
    runpy.run_path(str(script), run_name="__main__")
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures.keys() == {"single", "router", "router, overlap", "majority", "majority, overlap"}
    assert figures["single"]["ratio_to_single"] == 1
    assert figures["single"]["encode"] == 0 < figures["router"]["encode"]
    assert figures["router"]["added_by_routing"] > 0


def test_a_vllm_server_may_die_and_is_left_clean(
    file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    out, adapters = tmp_path / "run", tmp_path / "adapters"
    with serving(AutoModelForCausalLM.from_pretrained(settings["policy"]["checkpoint"])) as server:
        words: Words = [
            *("--generation.engine=vllm", f"--generation.vllm.url={server.url}"),
            *(f"--generation.vllm.adapter_folder={adapters}", "--generation.vllm.patience=0.2"),
        ]
        fails = status(500, '{"error": {"message": "the engine is dead"}}')
        server.faults.extend([*[changed(lambda _: None)] * 6, *[fails] * 1000])
        told = refused("train", "--config", file, "--out", out, "--save_every=1", *words)
        assert (
            "/v1/completions: HTTP 500 (the engine is dead), waited for 0.2 s. Once that is mended, " in told
        )
        assert told.endswith(f"rewardrouter train --resume {out} goes on")
        assert (len(lines(out / "metrics.jsonl")), server.adapters, list(adapters.iterdir())) == (1, {}, [])
        server.faults.clear()
        done("train", "--resume", out, "--generation.vllm.patience=5")
        assert (len(lines(out / "metrics.jsonl")), server.adapters, list(adapters.iterdir())) == (3, {}, [])
        assert len(server.asked("/v1/unload_lora_adapter")) == len(server.asked("/v1/load_lora_adapter")) == 4


@pytest.mark.parametrize(
    ("strategy", "expected", "most"),
    [
        ("router", 8, 32),
        ("router:reward=probe,probes=0.5", 20, 32),
        ("random", 8, 32),
        ("single/echo", 8, 8),
        ("majority", 32, 32),
        ("light-advantage", 26, 32),
        ("router+cascade@2", None, 32),
        ("oracle", None, 0),
    ],
)
def test_a_plan_tells_the_calls_that_are_expected_and_the_most(
    file: Path, strategy: str, expected: int | None, most: int
) -> None:
    words = (f"--annotator.strategy={strategy}", "--verifier=verifiers:even")
    told = done("train", "--config", file, "--dry-run", *words).out
    (line,) = (line for line in told.splitlines() if line.startswith("Labels"))
    if most == 0:
        assert line.endswith("no reward model is asked")
        return
    found = re.search(r"; (\d+) calls of reward models per step expected, at most (\d+)$", line)
    assert found is not None
    assert int(found[2]) == most
    if expected is None:  # a budget of 2 on 8 pairs, of which the held-out pairs decide how much is used
        assert 8 < int(found[1]) <= 16
    else:
        assert int(found[1]) == expected
    assert ("on the router's held-out pairs" in line) == ("cascade" in strategy)


PEAK = """
import resource, sys
from rewardrouter.cli.main import main
code = main()
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
sys.exit(code)
"""


@pytest.mark.slow
def test_the_memory_of_a_plan_is_what_a_run_takes(
    file: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    wide = LlamaConfig(
        vocab_size=40_000, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(wide).save_pretrained(tmp_path / "wide")
    tokenizer = AutoTokenizer.from_pretrained(settings["policy"]["checkpoint"])
    tokenizer.add_tokens(
        [f"w{n}" for n in range(40_000 - len(tokenizer))]
    )  # else most responses are the same: empty
    tokenizer.save_pretrained(tmp_path / "wide")
    common = (f"--policy.checkpoint={tmp_path / 'wide'}", "--steps=1", "--pairs.per_prompt=3")

    def peak(name: str, *more: str) -> float:
        process = start("train", "--config", file, "--out", tmp_path / name, *common, *more, code=PEAK)
        said, told = process.communicate(timeout=200)
        assert process.returncode == 0, told
        return float(said.split()[-1])

    large = ("--generation.max_new_tokens=80", "--prompts_per_step=16")
    taken = peak("run", *large) - peak("small", "--generation.max_new_tokens=1", "--prompts_per_step=1")
    told = done("train", "--config", file, "--dry-run", *common, *large).out
    found = re.search(r"Memory +about ([\d.]+) GiB", told)
    assert found is not None
    assert taken > 0.5
    assert 0.9 * taken < float(found[1]) < 1.4 * taken


BAD_VERIFIERS = """
def raises(response, row):
    return row["answer"] == response

def says(response, row):
    return "yes"
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [("raises", "bad_verifiers:raises fails on"), ("says", "bad_verifiers:says returned 'yes'")],
)
def test_a_verifier_that_fails_is_named_in_one_line(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad_verifiers.py").write_text(BAD_VERIFIERS, encoding="utf-8")
    words = ("train", "--config", file, "--out", tmp_path / "run", f"--verifier=bad_verifiers:{name}")
    assert told in refused(*words)


def test_a_run_begun_in_vain_leaves_the_folder_to_the_next(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert "no such folder" in refused(
        "train", "--config", file, "--out", out, "--policy.checkpoint=/nowhere"
    )
    done("train", "--config", file, "--out", out, "--steps=1")
    (tmp_path / "file").touch()
    assert "is a file; give a folder" in refused("train", "--config", file, "--out", tmp_path / "file")


def test_a_comparison_is_checked_before_it_is_run(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    words = ("train", "--config", file, "--out", out)
    assert "strategy ruoter: unknown. Did you mean router?" in refused(
        *words, "--strategies", "random,ruoter"
    )
    assert "verifier: missing" in refused(*words, "--strategies", "random,oracle")
    assert not out.exists()
    planned = done(*words, "--strategies", "random,router,random", "--seeds", "2", "--dry-run").out
    assert "Compared    random, router: 4 runs" in planned
    done(*words, "--strategies", "random,random", "--workers", "1", "--steps=1")
    assert "holds a comparison" in refused("train", "--resume", out)
    single = tmp_path / "single"
    done("train", "--config", file, "--out", single, "--steps=1")
    assert "goes on with one run" in refused("train", "--resume", single, "--seeds", "2")
    assert "holds a single run" in refused("train", "--config", file, "--out", single, "--seeds", "2")


def test_reward_models_that_never_answer_end_it_in_one_line(file: Path, tmp_path: Path) -> None:
    arms = ("calculator", "courtesy", "brevity", "echo")
    # Nobody listens on the discard port.
    down = [
        {"name": arm, "kind": "vllm", "url": "http://127.0.0.1:9", "model": "m", "tries": 1, "open_after": 1}
        for arm in arms
    ]
    pool = tmp_path / "down.yaml"
    pool.write_text(yaml.safe_dump({"rms": down}), encoding="utf-8")
    words = ("train", "--config", file, "--out", tmp_path / "run", f"--annotator.pool={pool}", "--steps=8")
    told = refused(*words)
    assert "no pair got a label in 5 steps in a row; the first pair's reason: " in told
    assert "http://127.0.0.1:9" in told
