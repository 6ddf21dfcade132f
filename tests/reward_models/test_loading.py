"""Pools from YAML files."""

from pathlib import Path

import huggingface_hub
import pandas as pd
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from rewardrouter.errors import CheckpointError, ConfigError, DataError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.loading import load_pool, recorded_files

PAIRS = [PreferencePair(f"p{i}", f"q{i}", "x", "y") for i in range(2)]


@pytest.fixture
def folder(tmp_path):
    """A folder with two files of verdicts: ``grm`` and ``urm`` in one, ``grm`` and a silent RM in the other."""
    pairs = pd.DataFrame({"id": ["p0", "p1"], "prompt": ["q0", "q1"], "response_a": "x", "response_b": "y"})
    pairs.assign(verdict__grm=["A", "B"], verdict__urm=["B", "tie"]).to_parquet(tmp_path / "one.parquet")
    (tmp_path / "sub").mkdir()
    silent = [None, None]
    pairs.assign(verdict__grm=["B", None], verdict__silent=silent).to_parquet(
        tmp_path / "sub" / "two.parquet"
    )
    return tmp_path


def write(folder, text):
    path = folder / "pool.yaml"
    path.write_text(text)
    return path


def winners(pool):
    return {rm: [verdict.winner for verdict in pool.judge(rm, PAIRS)] for rm in pool.names}


def test_one_entry_without_a_name_is_every_rm_of_its_source(folder):
    pool = load_pool(write(folder, "rms:\n  - {kind: recorded, source: one.parquet}\n"))
    assert winners(pool) == {"grm": ["A", "B"], "urm": ["B", "tie"]}


def test_rms_may_be_renamed_and_come_from_several_sources_in_the_order_of_the_file(folder):
    pool = load_pool(
        write(
            folder,
            "rms:\n"
            "  - {name: second, kind: recorded, source: sub/two.parquet, record: grm}\n"
            "  - {name: urm, kind: recorded, source: one.parquet}\n"
            "  - {name: first, kind: recorded, source: one.parquet, record: grm}\n",
        )
    )
    assert pool.names == ("second", "urm", "first")
    assert winners(pool) == {"second": ["B", None], "urm": ["B", "tie"], "first": ["A", "B"]}
    (verdict,) = pool.judge("second", PAIRS[1:])
    assert (verdict.rm, verdict.error) == ("second", "no verdict recorded")


def test_a_source_is_relative_to_the_pool_file_or_absolute(folder, monkeypatch):
    monkeypatch.chdir(folder / "sub")
    relative = load_pool(write(folder, "rms: [{name: grm, kind: recorded, source: sub/two.parquet}]\n"))
    absolute = load_pool(
        write(folder, f"rms: [{{name: grm, kind: recorded, source: {folder / 'sub' / 'two.parquet'}}}]\n")
    )
    assert winners(relative) == winners(absolute) == {"grm": ["B", None]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rms: []\n", r"rms: found \[\], expected at least 1 item "),
        ("{}\n", "rms: missing"),
        ("rms: [{kind: recorded}]\n", r"rms\.0.*source: missing"),
        ("rms: [{kind: recorded, source: ''}]\n", r"rms\.0.*source: .*at least 1"),
        ("rms: [{source: one.parquet}]\n", r"rms\.0.*kind: missing"),
        (
            "rms: [{kind: recoded, source: one.parquet}]\n",
            r"rms\.0.*kind: found 'recoded', expected one of 'recorded', 'hf', .*\. Did you mean recorded\?",
        ),
        (
            "rms: [{kind: recorded, sorce: one.parquet}]\n",
            r"rms\.0.*sorce: unknown key\. Did you mean source\?",
        ),
        ("rms: [{kind: recorded, source: one.parquet, record: grm}]\n", "give its name in the pool too"),
        (
            "rms: [{name: gmr, kind: recorded, source: one.parquet}]\n",
            r"pool\.yaml: one\.parquet holds no usable verdict of 'gmr'\. Did you mean grm\? It holds: grm, urm$",
        ),
        (
            "rms: [{name: silent, kind: recorded, source: sub/two.parquet}]\n",
            r"pool\.yaml: sub/two\.parquet holds no usable verdict of 'silent'\. It holds: grm$",
        ),
        (
            "rms: [{kind: recorded, source: one.parquet}, {kind: recorded, source: sub/two.parquet}]\n",
            r"pool\.yaml: two reward models of the pool are named 'grm'",
        ),
        ("rms: [\n", "not valid YAML"),
    ],
)
def test_a_file_that_makes_no_pool_is_the_users_mistake_in_one_line(folder, text, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_pool(write(folder, text))
    assert "pool.yaml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rms: [{kind: hf, source: x}]", "rms.0.name: missing: this key must be given (pool.yaml, line 1)"),
        (
            "rms: [{kind: hf, name: x, source: x, recrd: y}]",
            "rms.0.recrd: unknown key. Known keys: batch_tokens, batch_window, cost, device, dtype, form, kind, like,"
            " max_tokens, name, ray, revision, source, system, template, window_pairs (pool.yaml, line 1)",
        ),
        (
            "rms: [{kind: hf, name: x, source: x, max_token: 9}]",
            "rms.0.max_token: unknown key. Did you mean max_tokens? (pool.yaml, line 1)",
        ),
        (
            "rms: [{kind: recorded, source: one.parquet, max_tokens: 9}]",
            "rms.0.max_tokens: unknown key. Known keys: cost, kind, name, record, source (pool.yaml, line 1)",
        ),
        (
            "rms: [{kind: hf, name: x, source: x, dtype: float16}]",
            "rms.0.dtype: found 'float16', expected 'auto', 'fp32', 'bf16' or 'fp16' (pool.yaml, line 1)",
        ),
        ("rms:\n- kind: recorded\n", "rms.0.source: missing: this key must be given (pool.yaml, line 2)"),
        ("rms: [x]", "rms.0: found 'x', expected a section of keys and values (pool.yaml, line 1)"),
        (
            "rms: [{source: one.parquet, kind: recorded}, {kind: recorded, source: ''}]",
            "rms.1.source: string should have at least 1 character (pool.yaml, line 1)",
        ),
    ],
)
def test_a_mistake_in_an_entry_is_the_only_thing_told(folder, text, expected, monkeypatch):
    """Not also that the list is too short, which it is only without the entry."""
    monkeypatch.chdir(folder)
    write(folder, text)
    with pytest.raises(ConfigError) as error:
        load_pool(Path("pool.yaml"))
    assert str(error.value) == expected


HF = "rms:\n  - {name: grm, kind: recorded, source: one.parquet}\n  - {name: live, kind: hf, source: rms/live}\n"


def test_recordings_and_models_that_run_here_make_one_pool(folder, tiny_reward_model, monkeypatch):
    (folder / "rms").mkdir()
    (folder / "rms" / "live").symlink_to(tiny_reward_model("qwen3"))
    path = write(folder, HF)
    monkeypatch.chdir("/")
    pool = load_pool(path)
    assert (pool.names, pool.live) == (("grm", "live"), ("live",))
    assert pool.identity("live")["checkpoint"].startswith("sha256:")
    assert pool.identity("grm")["kind"] == "recorded"
    assert all(verdict.winner for verdict in pool.judge("live", PAIRS))
    assert recorded_files(path) == [folder / "one.parquet"]


def test_only_those_wanted_are_looked_for(folder, monkeypatch):
    path = write(folder, HF)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    assert load_pool(path, ["grm"]).names == ("grm",)
    with pytest.raises(
        ConfigError, match=r"no reward model 'life'\. Did you mean live\? It holds: grm, live$"
    ):
        load_pool(path, ["grm", "life"])
    with pytest.raises(
        CheckpointError, match=r"pool\.yaml: reward model live \(rms/live\): no such folder, and"
    ):
        load_pool(path)


def unreachable(repository, **settings):
    raise LocalEntryNotFoundError("offline")


def test_the_prices_are_those_given(folder):
    text = (
        "rms:\n  - {name: grm, kind: recorded, source: one.parquet}\n"
        "  - {name: right, kind: verifier, check: exact, cost: 0.25}\n"
    )
    accounts = load_pool(write(folder, text)).accounts()
    assert {rm: account.price for rm, account in accounts.items()} == {"grm": None, "right": 0.25}


def test_recorded_verdicts_have_a_price_too_where_they_are_of_one_rm(folder):
    pool = folder / "pool.yaml"
    pool.write_text("rms: [{kind: recorded, name: first, source: one.parquet, record: grm, cost: 0.5}]")
    assert load_pool(pool).accounts()["first"].price == 0.5
    pool.write_text("rms: [{kind: recorded, source: one.parquet, cost: 0.5}]")
    with pytest.raises(ConfigError, match="cost is of one RM: give its name"):
        load_pool(pool)


def test_a_source_that_does_not_exist_is_named(folder):
    with pytest.raises(DataError, match=r"on\.parquet: no such file\. Did you mean \S*one\.parquet\?"):
        load_pool(write(folder, "rms: [{kind: recorded, source: on.parquet}]\n"))


def test_a_pool_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"pool\.yaml does not exist"):
        load_pool(tmp_path / "pool.yaml")
