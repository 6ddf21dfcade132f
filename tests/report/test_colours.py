"""Colours that can be read as text, and told apart by people who do not see all colours."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from rewardrouter.report.colours import ALL, ARMS, CARD, INK, MUTED, Colour

Floats = npt.NDArray[np.float64]

# Machado, Oliveira, Fernandes (2009), severity 1, for linear RGB.
SIGHT = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]
    ],
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> Floats:
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    found: Floats = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return found


def lab(rgb: Floats) -> Floats:
    """CIELAB of linear RGB."""
    scaled = XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, two: str) -> float:
    dark, light = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, two))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", ["light", "dark"])
@pytest.mark.parametrize("colour", [*ARMS, INK, MUTED], ids=lambda colour: colour.variable)
def test_text_can_be_read(page: str, colour: Colour) -> None:
    assert contrast(getattr(colour, page), getattr(CARD, page)) >= 4.5


@pytest.mark.parametrize("page", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_series_are_told_apart(page: str, sight: str) -> None:
    seen = [lab(np.array(SIGHT[sight]) @ linear(getattr(colour, page))) for colour in ARMS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


def test_light_values_name_one_variable_each() -> None:
    assert len({colour.light for colour in ALL}) == len({colour.variable for colour in ALL}) == len(ALL)
