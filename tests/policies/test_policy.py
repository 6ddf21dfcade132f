"""The policy in training: its losses, its steps, and what it says of pairs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tiny_policies import learnable_pairs, tiny_config, tiny_policy, write_gemma2, write_gpt2
from transformers import AutoModelForCausalLM

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.policies import PreferencePolicy, PreparedPairs, pair_losses
from rewardrouter.state import load_state, save_state

TUNINGS = ("full", "lora")
PAIRS, LABELS = learnable_pairs(20)
ROWS = np.arange(20)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in parallel have no fixed order
    yield
    torch.set_num_threads(before)


def steps(policy: PreferencePolicy, prepared: PreparedPairs, numbers, weights=None):
    """Take the steps of these numbers, each on six pairs that follow from its number; return the losses."""
    found = []
    for number in numbers:
        rows = np.random.default_rng(number).permutation(20)[:6]
        given = np.ones(6) if weights is None else weights[rows]
        found.append(policy.train_step(prepared, rows, LABELS[rows], given).losses)
    return np.concatenate(found)


def weights_of(policy: PreferencePolicy) -> dict[str, np.ndarray]:
    return dict(policy.state_dict().part("training").part("weights").arrays)


def assert_close(one: PreferencePolicy, other: PreferencePolicy, atol: float = 2e-5) -> None:
    for name, array in weights_of(one).items():
        np.testing.assert_allclose(array, weights_of(other)[name], atol=atol, err_msg=name)


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("loss", ["sigmoid", "hinge", "ipo"])
def test_at_the_start_every_margin_is_exactly_zero(tuning, loss, tiny_llama):
    policy = tiny_policy(tiny_llama, tuning=tuning, loss=loss, microbatch_tokens=100)
    prepared = policy.prepare(PAIRS)
    assert not policy.margins(prepared).any()
    assert not policy.margins(prepared, ROWS[3:5]).any()
    outcome = policy.train_step(prepared, ROWS[::2], LABELS[::2], np.ones(10))
    assert not outcome.margins.any()
    assert np.array_equal(outcome.losses, outcome.swapped_losses)
    assert policy.margins(prepared).all()
    assert {array.dtype for array in dataclasses.astuple(outcome)} == {np.dtype(np.float64)}


@pytest.mark.parametrize("loss", ["sigmoid", "hinge", "ipo"])
def test_a_step_is_the_weighted_mean_loss_of_the_whole_batch(loss, tiny_llama):
    weights = np.linspace(0, 2, 20)
    small = tiny_policy(tiny_llama, loss=loss, microbatch_tokens=60, weight_decay=0.1)
    large = tiny_policy(tiny_llama, loss=loss, microbatch_tokens=10**6, weight_decay=0.1)
    prepared = small.prepare(PAIRS)
    for policy in (small, large):
        steps(policy, prepared, range(2), weights)
    assert_close(small, large)

    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    adam = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for number in range(2):
        rows = np.random.default_rng(number).permutation(20)[:6]
        log_probs = torch.stack([log_prob(model, prepared, row, side) for row in rows for side in (0, 1)])
        found = pair_losses(
            log_probs.view(-1, 2),
            torch.from_numpy(prepared.reference[rows]),
            torch.from_numpy(prepared.counts[rows]),
            torch.from_numpy(LABELS[rows]),
            kind=loss,
            beta=0.1,
        )
        adam.zero_grad()
        (torch.from_numpy(weights[rows]) * found.losses).mean().backward()
        adam.step()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(weights_of(large)[name], parameter.detach(), atol=2e-4, err_msg=name)


def log_prob(model, prepared: PreparedPairs, row: int, side: int) -> torch.Tensor:
    prompt, answer = prepared.tokens.prompts[row], prepared.tokens.responses[row][side]
    ids = torch.from_numpy(np.concatenate([prompt, answer]).astype(np.int64))[None]
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return logits.gather(1, ids[0, len(prompt) :, None]).sum()


def test_what_it_says_is_what_the_model_gives(tiny_llama):
    policy = tiny_policy(tiny_llama)
    prepared = policy.prepare(PAIRS)
    np.testing.assert_allclose(
        policy.log_likelihoods(prepared), prepared.reference.astype(np.float64) / prepared.counts
    )
    steps(policy, prepared, range(2))
    model = AutoModelForCausalLM.from_pretrained(tiny_llama).eval()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights_of(policy).items()})
    with torch.no_grad():
        sums = np.array([[float(log_prob(model, prepared, row, side)) for side in (0, 1)] for row in ROWS])
    ratios = sums - prepared.reference
    np.testing.assert_allclose(policy.margins(prepared), 0.1 * (ratios[:, 0] - ratios[:, 1]), atol=1e-4)
    np.testing.assert_allclose(policy.log_likelihoods(prepared), sums / prepared.counts, atol=1e-4)
    some = np.array([7, 2])
    np.testing.assert_allclose(policy.margins(prepared, some), policy.margins(prepared)[some], atol=1e-4)
    np.testing.assert_allclose(
        policy.log_likelihoods(prepared, some), (sums / prepared.counts)[some], atol=1e-4
    )
    found = policy.prompt_embeddings(prepared, some)
    assert (found.shape, found.dtype) == ((2, policy.width), np.float32)
    for row, embedding in zip(some, found, strict=True):
        ids = torch.from_numpy(prepared.tokens.prompts[row].astype(np.int64))[None]
        states = model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
        np.testing.assert_allclose(embedding, states.mean(0).detach(), atol=1e-4)


def test_a_step_says_what_was_before_it(tiny_llama):
    policy = tiny_policy(tiny_llama)
    prepared = policy.prepare(PAIRS)
    steps(policy, prepared, range(2))
    before = policy.margins(prepared)
    outcome = policy.train_step(prepared, ROWS, LABELS, np.linspace(0, 3, 20))
    np.testing.assert_allclose(outcome.margins, before, atol=1e-4)
    np.testing.assert_allclose(outcome.losses, np.logaddexp(0, -LABELS * outcome.margins), rtol=1e-5)
    np.testing.assert_allclose(outcome.swapped_losses, np.logaddexp(0, LABELS * outcome.margins), rtol=1e-5)
    assert np.abs(policy.margins(prepared) - before).max() > 0.01


def test_exchanging_the_responses_and_the_labels_exchanges_nothing_else(tiny_llama):
    one, other = tiny_policy(tiny_llama), tiny_policy(tiny_llama)
    prepared, turned = one.prepare(PAIRS), other.prepare([pair.swapped() for pair in PAIRS])
    for _ in range(2):
        found = one.train_step(prepared, ROWS, LABELS, np.ones(20))
        mirrored = other.train_step(turned, ROWS, -LABELS, np.ones(20))
    np.testing.assert_allclose(found.losses, mirrored.losses, atol=1e-5)
    np.testing.assert_allclose(found.margins, -mirrored.margins, atol=1e-4)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_resumed_is_uninterrupted_bit_for_bit(tuning, tiny_llama, tmp_path):
    policy = tiny_policy(tiny_llama, tuning=tuning)
    policy.prepare(PAIRS).save(tmp_path / "stream")
    prepared = PreparedPairs.load(tmp_path / "stream")
    steps(policy, prepared, range(3))
    save_state(policy.state_dict(), tmp_path / "state")
    expected, margins = steps(policy, prepared, range(3, 6)), policy.margins(prepared)

    resumed = tiny_policy(tiny_llama, tuning=tuning, seed=5)
    steps(resumed, prepared, range(1))
    resumed.load_state_dict(load_state(tmp_path / "state"))
    assert resumed.updates == 3
    assert np.array_equal(steps(resumed, prepared, range(3, 6)), expected)
    assert np.array_equal(resumed.margins(prepared), margins)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_after_a_reset_it_is_as_new(tuning, tiny_llama):
    policy = tiny_policy(tiny_llama, tuning=tuning, seed=3)
    prepared = policy.prepare(PAIRS)
    first, initial = steps(policy, prepared, range(3)), policy.log_likelihoods(prepared)
    policy.reset(4)
    assert policy.updates == 0
    assert not policy.margins(prepared).any()
    assert np.array_equal(steps(policy, prepared, range(3)), first) == (tuning == "full")
    policy.reset(3)
    assert np.array_equal(steps(policy, prepared, range(3)), first)
    assert np.array_equal(policy.log_likelihoods(prepared), initial)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_it_learns_what_it_is_told(tuning, tiny_llama):
    policy = tiny_policy(tiny_llama, tuning=tuning)
    prepared = policy.prepare(PAIRS)
    for _ in range(15):
        policy.train_step(prepared, ROWS, LABELS, np.ones(20))
    assert (np.sign(policy.margins(prepared)) == LABELS).mean() > 0.9


@pytest.mark.parametrize("microbatch_tokens", [60, 10**6])
def test_a_loss_that_is_not_finite_takes_no_part(microbatch_tokens, tiny_llama):
    policies = [tiny_policy(tiny_llama, microbatch_tokens=microbatch_tokens) for _ in range(2)]
    prepared = policies[0].prepare(PAIRS)
    for policy in policies:
        steps(policy, prepared, range(1))
    broken = prepared.reference_rests.copy()
    broken[4] = np.nan
    outcome = policies[0].train_step(
        dataclasses.replace(prepared, reference_rests=broken), ROWS, LABELS, np.ones(20)
    )
    without = np.ones(20)
    without[4] = 0
    policies[1].train_step(prepared, ROWS, LABELS, without)
    assert np.flatnonzero(np.isnan(outcome.losses)).tolist() == [4]
    assert np.flatnonzero(np.isnan(outcome.margins)).tolist() == [4]
    assert_close(*policies)


def test_without_a_finite_loss_nothing_happens(tiny_llama):
    policy = tiny_policy(tiny_llama)
    prepared = policy.prepare(PAIRS)
    before = weights_of(policy)
    broken = dataclasses.replace(prepared, reference_rests=np.full((20, 2), np.nan, np.float32))
    assert np.isnan(policy.train_step(broken, ROWS, LABELS, np.ones(20)).losses).all()
    assert len(policy.train_step(prepared, ROWS[:0], LABELS[:0], np.ones(0)).losses) == 0
    assert policy.updates == 0
    assert all(np.array_equal(array, weights_of(policy)[name]) for name, array in before.items())


@pytest.mark.parametrize("tuning", TUNINGS)
def test_gradient_checkpointing_changes_nothing(tuning, tiny_llama):
    with_it, without = (
        tiny_policy(tiny_llama, tuning=tuning, gradient_checkpointing=given) for given in (True, False)
    )
    prepared = without.prepare(PAIRS)
    for policy in (with_it, without):
        steps(policy, prepared, range(2))
    assert_close(with_it, without)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_coarse_arithmetic_learns_too(tuning, tiny_llama):
    policy = tiny_policy(tiny_llama, tuning=tuning, dtype="bf16")
    prepared = policy.prepare(PAIRS)
    fine = tiny_policy(tiny_llama, tuning=tuning).prepare(PAIRS)
    np.testing.assert_allclose(prepared.reference, fine.reference, rtol=0.02)
    for _ in range(15):
        policy.train_step(prepared, ROWS, LABELS, np.ones(20))
    assert {array.dtype for array in weights_of(policy).values()} == {np.dtype(np.float32)}
    assert (np.sign(policy.margins(prepared)) == LABELS).mean() > 0.9


@pytest.mark.parametrize("write", [write_gpt2, write_gemma2])
def test_other_architectures(write, tmp_path):
    policy = tiny_policy(write(tmp_path), learning_rate=1e-2)
    prepared = policy.prepare(PAIRS)
    for _ in range(15):
        policy.train_step(prepared, ROWS, LABELS, np.ones(20))
    assert (np.sign(policy.margins(prepared)) == LABELS).mean() > 0.9
    assert policy.prompt_embeddings(prepared, ROWS).shape == (20, policy.width)


def test_a_stream_of_another_policy_is_refused(tiny_llama, tiny_llama_without_template, tmp_path):
    prepared = tiny_policy(tiny_llama).prepare(PAIRS)
    for other in (
        tiny_policy(tiny_llama_without_template),
        tiny_policy(tiny_llama, max_prompt_tokens=7),
        tiny_policy(tiny_llama, template="none"),
    ):
        for ask in (other.margins, other.log_likelihoods):
            with pytest.raises(CheckpointError, match="prepared for another policy"):
                ask(prepared)
        with pytest.raises(CheckpointError, match="prepared for another policy"):
            steps(other, prepared, [0])
        with pytest.raises(CheckpointError, match="another policy"):
            other.load_state_dict(tiny_policy(tiny_llama).state_dict())
    tiny_policy(tiny_llama, beta=2.0, loss="ipo", tuning="lora").margins(
        prepared
    )  # the reference is the same


def test_after_an_update_there_is_no_reference_to_ask(tiny_llama):
    policy = tiny_policy(tiny_llama)
    steps(policy, policy.prepare(PAIRS), [0])
    with pytest.raises(ValueError, match="prepare before training"):
        policy.prepare(PAIRS)


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        ([1, 0], [1, 1], "labels are"),
        ([1], [1, 1], "2 rows, 1 labels, 2 weights"),
        ([1, -1], [1, -1], "a weight"),
        ([1, -1], [1, np.nan], "a weight"),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(labels, weights, message, tiny_llama):
    policy = tiny_policy(tiny_llama)
    with pytest.raises(ValueError, match=message):
        policy.train_step(policy.prepare(PAIRS), ROWS[:2], np.array(labels), np.array(weights))


def test_weights_that_give_no_probability_are_named(tiny_llama):
    policy = tiny_policy(tiny_llama)
    with torch.no_grad():
        next(policy._model.parameters())[:] = np.nan
    with pytest.raises(CheckpointError, match="gives pair pair 0 no finite probability"):
        policy.prepare(PAIRS)


def test_settings_that_name_no_policy_or_device(tiny_llama):
    with pytest.raises(ConfigError, match="none is given"):
        PreferencePolicy.from_config(tiny_config(tiny_llama).model_copy(update={"checkpoint": None}), seed=0)
    with pytest.raises(CheckpointError, match="device 'cuda:99' cannot be used"):
        tiny_policy(tiny_llama, device="cuda:99")
