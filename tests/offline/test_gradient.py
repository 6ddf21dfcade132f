"""Training by gradient steps: what it learns, from what, and when it stops."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from small_tables import routable, table_of, written_table
from training_jobs import Job, frozen_job, full_job
from transformers import AutoConfig

from rewardrouter.config.offline import FusionConfig, HeadConfig
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.gradient import steps_of
from rewardrouter.offline.losses import bt_loss, cls_loss
from rewardrouter.offline.splits import holdout
from rewardrouter.offline.validation import routed_correctly


@pytest.fixture(params=["frozen", "tiny_bert", "tiny_qwen2"])
def job(request: pytest.FixtureRequest) -> Job:
    return frozen_job() if request.param == "frozen" else full_job(request.getfixturevalue(request.param))


def aside(job: Job) -> np.ndarray:
    return np.flatnonzero(holdout(job.table.groups, job.config.gradient.validation, job.config.seed))


def test_h_is_as_long_as_the_encoders_states(tiny_qwen2):
    job = full_job(tiny_qwen2).with_gradient(epochs=1)
    config = job.config.model_copy(update={"fusion": FusionConfig()})
    run = dataclasses.replace(job, config=config).run()
    hidden = AutoConfig.from_pretrained(tiny_qwen2).hidden_size
    assert run.fit.model.fusion.width == hidden
    assert run.fit.model.fusion.linear.in_features == 2 * hidden  # [e + e' ; |e - e'|]


def test_fusion_and_heads_learn_which_rm_to_trust():
    vectors, table = routable(300, 0)
    run = dataclasses.replace(frozen_job(), table=table, vectors=vectors).with_gradient(epochs=6).run()
    losses = [entry["validation_loss"] for entry in run.fit.validation.candidates]
    assert min(losses) < losses[0] - 0.05
    unseen, truth = routable(600, 50)
    with torch.no_grad():
        scores = run.fit.model.heads.scores(run.fit.model.contexts(unseen.a, unseen.b)).double().numpy()
    routed = routed_correctly(scores, truth.behaviour)[truth.kept].mean()
    assert routed > np.nan_to_num(truth.behaviour)[truth.kept].mean(axis=0).max() + 0.1


@pytest.mark.parametrize("checkpoint", ["tiny_bert", "tiny_qwen2"])
def test_full_parameter_training_learns_and_moves_every_layer(checkpoint, request):
    job = full_job(request.getfixturevalue(checkpoint))
    job = dataclasses.replace(job, table=written_table(120, 0)).with_gradient(epochs=6)
    before = PairEncoder.from_config(job.config.encoder).model.state_dict()
    run = job.run()
    losses = [entry["validation_loss"] for entry in run.fit.validation.candidates]
    assert min(losses) < losses[0] - 0.05
    assert run.fit.validation.accuracy > run.fit.validation.best_single_accuracy
    still = [name for name, value in before.items() if torch.equal(value, run.weights[f"encoder.{name}"])]
    assert all("pooler" in name for name in still)


def test_the_measured_loss_is_that_of_the_state_that_is_kept(job):
    job = job.with_gradient(learning_rate=0.05, epochs=5, evaluations_per_epoch=4)
    run = job.run()
    history, chosen = run.fit.validation.candidates, run.fit.validation.chosen
    assert chosen == min(history, key=lambda entry: entry["validation_loss"])
    assert chosen["step"] < history[-1]["step"], "it never got worse: this test needs a training that does"
    rows = aside(job)
    behaviour = torch.from_numpy(job.table.behaviour[rows]).float()
    scores, logits = run.outputs(rows)
    loss = bt_loss(scores, behaviour) + 0.2 * cls_loss(logits, behaviour)
    assert float(loss) == pytest.approx(chosen["validation_loss"], rel=1e-5)
    assert run.fit.validation.accuracy == pytest.approx(
        routed_correctly(scores.double().numpy(), job.table.behaviour[rows])[
            job.table.select(rows).kept
        ].mean()
    )


def test_training_stops_when_patience_runs_out():
    job = frozen_job().with_gradient(learning_rate=0.5, epochs=50, patience=2, evaluations_per_epoch=4)
    steps: list[int] = []
    history = job.run(advance=steps.append).fit.validation.candidates
    losses = [entry["validation_loss"] for entry in history]
    assert losses.index(min(losses)) == len(losses) - 3
    assert sum(steps) == history[-1]["step"] < steps_of(job.table, job.config)


def test_every_step_is_told(job):
    steps: list[int] = []
    history = job.run(advance=steps.append).fit.validation.candidates
    assert steps == [1] * steps_of(job.table, job.config)
    assert [entry["step"] for entry in history] == [2, 4, 6, 8, 10, 12]


def test_standardisation_and_surrogates_come_from_the_training_pairs_alone():
    job = frozen_job()
    changed = job.vectors.select(np.arange(40))
    changed.a[torch.from_numpy(aside(job))] += 100
    one, other = (
        dataclasses.replace(job, vectors=vectors).run().fit.model for vectors in (job.vectors, changed)
    )
    for part in ("features", "surrogates"):
        state = getattr(other, part).state_dict()
        assert all(torch.equal(value, state[k]) for k, value in getattr(one, part).state_dict().items())


def test_a_seed_is_a_training_and_another_seed_another(job):
    torch.manual_seed(5)
    one = job.run()
    torch.manual_seed(6)
    again = job.run()
    assert one.fit.validation == again.fit.validation
    assert all(torch.equal(value, again.weights[name]) for name, value in one.weights.items())
    other = dataclasses.replace(job, config=job.config.model_copy(update={"seed": 1})).run()
    assert not torch.equal(one.weights["heads.bt"], other.weights["heads.bt"])


def test_without_the_classification_head_only_eq_2_is_trained():
    job = frozen_job()
    job = dataclasses.replace(job, config=job.config.model_copy(update={"heads": HeadConfig(cls_weight=0)}))
    run = job.run()
    rows = aside(job)
    scores, logits = run.outputs(rows)
    assert logits is None
    loss = bt_loss(scores, torch.from_numpy(job.table.behaviour[rows]).float())
    assert float(loss) == pytest.approx(run.fit.validation.chosen["validation_loss"], rel=1e-5)


def test_a_cosine_head_learns_its_temperature():
    job = frozen_job()
    job = dataclasses.replace(
        job, config=job.config.model_copy(update={"heads": HeadConfig(normalise="cosine")})
    )
    run = job.run()
    assert float(run.weights["heads.log_temperature"]) != pytest.approx(np.log(10))
    with torch.no_grad():
        h = run.fit.model.contexts(job.vectors.a, job.vectors.b)
    torch.testing.assert_close(h.norm(dim=1), torch.ones(40))


def test_weight_decay_shrinks_matrices_and_leaves_vectors_alone():
    job = frozen_job()
    config = job.config.model_copy(update={"heads": HeadConfig(cls_weight=0)})
    job = dataclasses.replace(job, config=config).with_gradient(epochs=1)
    plain, decayed = (job.with_gradient(weight_decay=w).run().weights for w in (0.0, 10.0))
    assert decayed["fusion.linear.weight"].norm() < 0.9 * plain["fusion.linear.weight"].norm()
    assert decayed["fusion.norm.weight"].norm() > 0.95 * plain["fusion.norm.weight"].norm()


def test_a_training_that_diverges_is_said_to_in_one_line():
    with pytest.raises(ConfigError, match=r"gradient\.learning_rate: training diverged with 1e\+20"):
        frozen_job().with_gradient(learning_rate=1e20, warmup=0.0).run()


@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_part_without_disagreement_cannot_train_or_choose(part):
    job = frozen_job()
    behaviour = job.table.behaviour
    rows = holdout(job.table.groups, 0.25, 0)
    behaviour[rows if part == "validation" else ~rows] = 1
    table = table_of(behaviour, labels=job.table.labels)
    with pytest.raises(DataError, match=f"pairs kept for {part} is one reward model right"):
        dataclasses.replace(job, table=table).run()
