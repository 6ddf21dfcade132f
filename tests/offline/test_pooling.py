"""Poolings against loops over single tokens, and the words that name them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.errors import ConfigError
from rewardrouter.offline.pooling import Pooling, RegionMasks, pool, resolve_poolings


def masks_of(lengths, prompts, responses, width):
    return RegionMasks.from_bounds(
        torch.tensor(lengths), torch.tensor(prompts), torch.tensor(responses), width
    )


@st.composite
def texts(draw: st.DrawFn):
    """One to four texts as (length, prompt bounds, response bounds); regions may be empty."""
    bounds = draw(
        st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4).map(sorted), min_size=1, max_size=4)
    )
    lengths = [max(1, b[3] + draw(st.integers(0, 2))) for b in bounds]
    return lengths, [b[:2] for b in bounds], [b[2:] for b in bounds]


@given(texts=texts(), padding=st.integers(0, 3), seed=st.integers(0, 99))
def test_every_pooling_equals_a_loop_over_the_regions_tokens(texts, padding, seed):
    lengths, prompts, responses = texts
    width = max(lengths) + padding
    states = [
        torch.randn(len(lengths), width, 3, generator=torch.Generator().manual_seed(seed + s)) for s in (0, 1)
    ]
    specs = [
        f"{r}.{o}@{s}"
        for r in ("all", "prompt", "response")
        for o in ("mean", "max", "last", "first")
        for s in (0, -1)
    ]
    pooled = pool(
        states, masks_of(lengths, prompts, responses, width), [Pooling.parse(s) for s in specs]
    ).numpy()
    assert pooled.shape == (len(lengths), len(specs) * 3)
    for row, length in enumerate(lengths):
        region = {"all": (0, length), "prompt": prompts[row], "response": responses[row]}
        for column, spec in enumerate(specs):
            name, rest = spec.split(".")
            operation, layer = rest.split("@")
            tokens = states[int(layer)][row].numpy()[slice(*region[name])]
            expected = np.zeros(3, np.float32)
            if len(tokens):
                expected = {
                    "mean": tokens.mean(0),
                    "max": tokens.max(0),
                    "last": tokens[-1],
                    "first": tokens[0],
                }[operation]
            np.testing.assert_allclose(
                pooled[row, 3 * column : 3 * column + 3], expected, rtol=1e-5, atol=1e-6
            )


def test_padding_never_counts_even_where_its_states_are_not_numbers():
    states = torch.ones(1, 4, 2)
    states[:, 2:] = torch.nan
    specs = ["all.mean@0", "all.max@0", "all.last@0", "prompt.mean@0", "prompt.max@0", "prompt.first@0"]
    pooled = pool([states], masks_of([2], [[1, 1]], [[1, 2]], 4), [Pooling.parse(s) for s in specs])
    assert pooled.tolist() == [[1.0] * 6 + [0.0] * 6]


def test_pooled_vectors_are_float32_whatever_the_states_are():
    states = torch.ones(1, 2, 2, dtype=torch.bfloat16)
    assert (
        pool([states], masks_of([2], [[0, 1]], [[1, 2]], 2), [Pooling.parse("all.last@-1")]).dtype
        == torch.float32
    )


@pytest.mark.parametrize("spec", ["all.mean@-1", "response.last@0", "prompt.max@12"])
def test_a_pooling_is_written_as_it_is_read(spec):
    assert str(Pooling.parse(spec)) == spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mean", "expected REGION.OP@LAYER, for example all.mean@-1"),
        ("all.mean", "expected REGION.OP@LAYER"),
        ("respnse.mean@-1", "unknown region 'respnse'. Did you mean response?"),
        ("all.men@-1", "unknown operation 'men'. Did you mean mean?"),
        ("all.mean@last", "expected REGION.OP@LAYER"),
    ],
)
def test_a_mistake_in_a_pooling_is_named(spec, message):
    with pytest.raises(ConfigError, match="pooling") as caught:
        Pooling.parse(spec)
    assert message in str(caught.value)


def test_auto_follows_the_kind_of_encoder():
    assert resolve_poolings("auto", "bidirectional", 3) == (Pooling("all", "mean", -1),)
    assert resolve_poolings("auto", "causal", 3) == (Pooling("all", "last", -1),)


def test_layers_that_do_not_exist_and_doubles_are_refused():
    assert len(resolve_poolings(("all.mean@2", "all.mean@-3"), "causal", 3)) == 2
    for specs, message in [
        (("all.mean@3",), "states 0 to 2"),
        (("all.mean@-4",), "layer -4 does not exist"),
        (("all.mean@1", "all.mean@1"), "named twice"),
        ((), "none given"),
    ]:
        with pytest.raises(ConfigError, match=message):
            resolve_poolings(specs, "causal", 3)
