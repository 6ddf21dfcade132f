"""Phases add up to the whole; each second counts once, for the innermost."""

from __future__ import annotations

import threading
import time

import pytest

from rewardrouter.phases import measured, phase


def test_time_counts_for_the_innermost_phase() -> None:
    began = time.perf_counter()
    with measured("route") as seconds:
        time.sleep(0.02)
        with phase("encode"):
            time.sleep(0.03)
            with phase("judge"):
                time.sleep(0.04)
            time.sleep(0.01)
    whole = time.perf_counter() - began
    assert sum(seconds.values()) == pytest.approx(whole, abs=0.01)
    assert seconds["route"] >= 0.02
    assert seconds["encode"] >= 0.04
    assert seconds["judge"] >= 0.04
    assert seconds["encode"] < 0.04 + seconds["judge"]


def test_an_error_closes_its_phase() -> None:
    with measured("route") as seconds:
        with pytest.raises(ValueError, match="lost"), phase("judge"):
            raise ValueError("lost")
        time.sleep(0.02)
    assert seconds["judge"] < 0.01
    assert seconds["route"] >= 0.02


def test_nobody_measures_and_another_thread_measures_for_itself() -> None:
    with phase("judge"):
        pass
    with measured("route") as seconds:

        def work() -> None:
            with phase("judge"):
                time.sleep(0.01)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert "judge" not in seconds
