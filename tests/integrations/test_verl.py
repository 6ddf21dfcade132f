"""verl's plug-in: loaded as verl does, from the file alone, and asked against a running gateway."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from gateways import running

import rewardrouter.integrations

FILE = Path(rewardrouter.integrations.__file__).parent / "verl.py"


@pytest.fixture(scope="module")
def compute_score():
    spec = importlib.util.spec_from_file_location("custom_module_1", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compute_score


def asked(at, function, prompt, response, **more):
    url = f"http://127.0.0.1:{at.client.port}/classify"
    kwargs = {"data_source": "sums", "ground_truth": "4", "extra_info": {"question": prompt, "index": 1}}
    return function(solution_str=response, url=url, **{**kwargs, **more})


def test_it_needs_nothing_but_python():
    tree = ast.parse(FILE.read_text(encoding="utf-8"))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= sys.stdlib_module_names


def test_a_score_is_the_gateway_s(compute_score, tmp_path):
    with running(tmp_path, "completions.hold_seconds=0") as at:
        rows = []
        for model in at.models.values():
            judge = model.judge
            model.judge = lambda given, judge=judge: (rows.extend(given), judge(given))[1]
        scores = [asked(at, compute_score, "2 + 2?", text) for text in ("4.", "5.")]
        chat = [{"role": "user", "content": "2 + 2?"}]
        body = {"messages": [*chat, {"role": "assistant", "content": "4."}], "use_activation": False}
        assert scores[0] == {"score": at.client.done("/classify", body)["data"][0]["probs"][0]}
        assert scores[0] != scores[1]
        assert asked(at, compute_score, chat, "4.") == scores[0]  # messages are a prompt too
        assert (
            asked(at, compute_score, "", "4.", extra_info={"prompt": chat}, prompt_key="prompt") == scores[0]
        )
        assert rows[0].metadata["answer"] == "4"
        asked(at, compute_score, "3 + 3?", "6.", ground_truth=None, gold_column="gold")
        assert "gold" not in rows[-1].metadata


@pytest.mark.parametrize(
    ("gold", "kept"),
    [
        (np.int64(4), 4),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("4"), "4"),
        (np.array(["4", "four"], object), ["4", "four"]),
        (np.array([4, 5]), [4, 5]),
        (np.array("4", object), "4"),
        (["4", np.int32(4)], ["4", 4]),
        ({"answer": np.array([4]), 1: None}, {"answer": [4], "1": None}),
        ('["4", "four"]', '["4", "four"]'),
        (Decimal("4.50"), "4.50"),
        ([float("nan")], [None]),
    ],
)
def test_gold_answers_of_every_form_reach_the_verifiers(compute_score, monkeypatch, gold, kept):
    sent = []
    reply = {"data": [{"probs": [0.5]}]}
    monkeypatch.setitem(
        compute_score.__globals__, "_post", lambda _, body, *__: (sent.append(json.loads(body)), reply)[1]
    )
    parts = np.array([{"type": "text", "text": "2 + 2?"}], object)
    prompt = np.array([{"role": "user", "content": parts, "tool_calls": None}], object)
    compute_score("", "4.", gold, {"question": prompt})
    assert sent[0]["metadata"] == {"answer": kept}
    assert sent[0]["messages"][0]["content"] == [{"type": "text", "text": "2 + 2?"}]


def test_it_waits_for_a_gateway_that_cannot_answer_now(compute_score, tmp_path):
    with running(tmp_path, "completions.hold_seconds=0") as at:
        for model in at.models.values():
            model.down = True

        def mend():
            time.sleep(0.5)
            for model in at.models.values():
                model.down = False

        threading.Thread(target=mend).start()
        assert asked(at, compute_score, "q", "a")["score"] != 0
        for model in at.models.values():
            model.down = True
        with pytest.raises(RuntimeError, match="503: no reward model answered"):
            asked(at, compute_score, "other", "a", patience=0.1)
    with pytest.raises(RuntimeError, match="ConnectionRefusedError"):
        compute_score(
            "", "a", "", {"question": "q"}, url=f"http://127.0.0.1:{at.client.port}/x", patience=0.1
        )


def test_what_is_wrong_is_said(compute_score, tmp_path, monkeypatch):
    with running(tmp_path, "limits.body_mib=0.001", token="let me in") as at:  # noqa: S106
        with pytest.raises(RuntimeError, match="401: give the token"):
            asked(at, compute_score, "q", "a")
        monkeypatch.setenv("REWARDROUTER_TOKEN", "let me in")
        with pytest.raises(RuntimeError, match="413: larger than"):
            asked(at, compute_score, "q", "a" * 2000)
        with pytest.raises(ValueError, match="extra_info has no 'question', but index, prompt: set reward"):
            asked(at, compute_score, "", "a", extra_info={"prompt": "q", "index": 0})
