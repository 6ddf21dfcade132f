"""From a verdict table to a router: what it remembers, what it refuses, and that it resumes."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest
from small_tables import table_of, written_table

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.config.offline import FeatureConfig, FusionConfig, HeadConfig, OfflineConfig, SolverConfig
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.checkpointing import remove_checkpoint
from rewardrouter.offline.gradient import steps_of
from rewardrouter.router import fit_router, fitting

TABLE = written_table(48, 0)


@pytest.mark.parametrize("kind", ["minilm", "linear", "mlp", "cosine", "full bert", "full qwen2"])
def test_a_router_remembers_what_it_was_fitted_on(kind, router_of):
    router = router_of(kind)
    training, validation = router.training, router.training.validation
    assert router.arms == TABLE.rms
    assert (training.source, training.report) == ("tests", ["1 row was dropped"])
    assert (training.n_pairs, training.n_groups) == (48, 24)
    assert training.n_disagreement == len(TABLE.disagreements())
    assert sum(training.domains.values()) == 48
    assert training.domains.keys() == {"geography", "code"}
    assert training.cuts
    assert training.knows(TABLE.pairs).all()
    elsewhere = [dataclasses.replace(p, prompt=f"{n}", metadata={}) for n, p in enumerate(TABLE.pairs)]
    assert not training.knows(elsewhere).any()
    assert 0 <= validation.accuracy <= 1
    assert sum(n for n, _ in validation.by_domain.values()) == validation.n_pairs


def test_a_router_can_tell_apart_what_its_table_tells_apart(router_of):
    for kind in ("minilm", "linear"):
        validation = router_of(kind).training.validation
        assert validation.accuracy > validation.best_single_accuracy + 0.1


def test_the_same_seed_gives_the_same_router(config_of, router_of):
    for kind in ("linear", "mlp", "full bert"):
        again = fit_router(TABLE, config_of(kind))
        np.testing.assert_array_equal(again.scores(TABLE.pairs), router_of(kind).scores(TABLE.pairs))


def test_a_router_on_prompts_gives_every_answer_the_same_scores(config_of):
    config = config_of("mlp").model_copy(update={"features": FeatureConfig(of="prompt", standardise=True)})
    router = fit_router(TABLE, config)
    pair = TABLE.pairs[0]
    other = dataclasses.replace(pair, response_a="something", response_b="quite different")
    np.testing.assert_array_equal(router.scores([pair]), router.scores([other]))


def test_vectors_of_a_frozen_encoder_are_cached(config_of, tmp_path):
    fit_router(TABLE, config_of("linear"), cache=EmbeddingCache(tmp_path))
    assert list(tmp_path.rglob("*.safetensors"))


def test_progress_counts_to_the_end(config_of, capsys):
    fit_router(TABLE, config_of("linear"))
    fit_router(TABLE, config_of("full bert"))
    lines = capsys.readouterr().err.splitlines()
    steps = steps_of(TABLE, config_of("full bert"))
    assert any(line.startswith("fit: 3/3") for line in lines)
    assert any(line.startswith(f"train: {steps}/{steps}") for line in lines)
    assert not any("stopped" in line for line in lines)


# Stopped


class Stopped(Exception):  # noqa: N818 - an interruption is no error
    pass


@pytest.mark.parametrize("kind", ["mlp", "full bert"])
def test_an_interrupted_fit_resumes_and_leaves_its_checkpoint_to_whoever_saves(
    kind, config_of, router_of, tmp_path, monkeypatch
):
    folder = tmp_path / "router.training"

    @contextlib.contextmanager
    def interrupting(what, total):
        done = 0

        def advance(count):
            nonlocal done
            done += count
            if done >= 5:
                raise Stopped

        yield advance

    monkeypatch.setattr(fitting, "progress", interrupting)
    with pytest.raises(Stopped):
        fit_router(TABLE, config_of(kind), resume_folder=folder)
    assert folder.is_dir()
    monkeypatch.undo()
    resumed = fit_router(TABLE, config_of(kind), resume_folder=folder)
    remove_checkpoint(folder)
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(resumed.scores(TABLE.pairs), router_of(kind).scores(TABLE.pairs))


# Refused


def tiny(**settings: object) -> OfflineConfig:
    return OfflineConfig(encoder=EncoderConfig(checkpoint="not to be loaded"), **settings)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.pool(["rm-1"]), "a router needs at least two reward models, found rm-1"),
        (table_of(np.ones((6, 2))), "nothing to learn: on none of the 6 pairs is one of rm-0, rm-1 right"),
        (table_of(np.full((6, 2), np.nan)), "nothing to learn: on none of the 6 pairs"),
        (TABLE.select([]), "nothing to learn: on none of the 0 pairs"),
    ],
)
def test_a_table_that_teaches_nothing_is_refused_before_the_encoder_is_loaded(table, message):
    with pytest.raises(DataError, match=message):
        fit_router(table, tiny())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (tiny(features=FeatureConfig(surrogates=True)), r"features\.surrogates: .* needs --freeze-encoder"),
        (tiny(features=FeatureConfig(statistics=True)), r"features\.statistics: .* needs --freeze-encoder"),
        (tiny(features=FeatureConfig(standardise=True)), r"features\.standardise: .* needs --freeze-encoder"),
        (tiny(fusion=FusionConfig(kind="linear")), r"fusion\.kind: .* needs --freeze-encoder"),
        (
            tiny(
                freeze_encoder=True, fusion=FusionConfig(kind="linear"), heads=HeadConfig(normalise="cosine")
            ),
            r"heads\.normalise: cosine scores are trained by gradient steps",
        ),
        (
            tiny(freeze_encoder=True, features=FeatureConfig(surrogates=True, of="prompt")),
            r"features\.surrogates: they read the responses, which features\.of: prompt hides",
        ),
    ],
)
def test_settings_that_exclude_each_other_are_refused_before_the_encoder_is_loaded(config, message):
    with pytest.raises(ConfigError, match=message) as caught:
        fit_router(TABLE, config)
    assert "\n" not in str(caught.value)


def test_surrogates_need_to_see_a_response(config_of):
    encoder = config_of("linear").encoder.model_copy(update={"poolings": ("prompt.mean@0",)})
    features = FeatureConfig(surrogates=True)
    config = config_of("linear").model_copy(update={"encoder": encoder, "features": features})
    with pytest.raises(ConfigError, match=r"features\.surrogates: .* add a pooling of all or response"):
        fit_router(TABLE, config)


@pytest.mark.parametrize("kind", ["linear", "mlp", "full bert"])
def test_too_few_problems_are_refused(kind, config_of):
    pairs = [dataclasses.replace(pair, metadata={"group": "the only one"}) for pair in TABLE.pairs]
    solver = SolverConfig(folds=2)
    config = config_of(kind).model_copy(update={"solver": solver})
    with pytest.raises(DataError, match="all pairs are of one group"):
        fit_router(dataclasses.replace(TABLE, pairs=tuple(pairs)), config)


@pytest.mark.parametrize("kind", ["linear", "mlp", "full bert"])
@pytest.mark.parametrize("problems", [2, 3, 4])
def test_few_problems_are_held_out_in_fewer_parts_and_that_is_said(kind, problems, config_of, capsys):
    pairs = [
        dataclasses.replace(pair, metadata={"group": str(n % problems)}) for n, pair in enumerate(TABLE.pairs)
    ]
    router = fit_router(dataclasses.replace(TABLE, pairs=tuple(pairs)), config_of(kind))
    assert len(router.held_out) > 0
    assert f"Only {problems} groups" in capsys.readouterr().err
