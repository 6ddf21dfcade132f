"""YAML files, overrides, and the way back."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.config.base import StrictModel
from rewardrouter.config.loading import dump_config, load_config, read_yaml
from rewardrouter.errors import ConfigError


class Inner(StrictModel):
    rate: float = 2e-5
    name: str = "a"
    limit: int | None = None


class Settings(StrictModel):
    inner: Inner = Inner()
    other: Inner = Inner()
    rms: tuple[str, ...] = ()
    pool: tuple[Inner, ...] = ()
    notes: dict[str, str | bool | float | None] = pydantic.Field(default_factory=dict)
    folder: Path | None = None


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def error(path: Path | None, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(Settings, path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE") if path else str(caught.value)


def test_file_then_overrides_then_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "inner:\n  rate: 1e-3\n  name: file\nrms: [x, y]\npool: [{name: p}, {name: q}]\n")
    loaded = load_config(
        Settings,
        path,
        ["--inner.name=line", "rms=[z]", "--pool.1.limit=3", "--inner.name=last", "notes.a-b=on"],
    )
    assert loaded == Settings(
        inner=Inner(rate=1e-3, name="last"),
        rms=("z",),
        pool=(Inner(name="p"), Inner(name="q", limit=3)),
        notes={"a-b": True},
    )


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "inner:\n"])
def test_an_empty_file_or_section_keeps_what_overrides_give(tmp_path: Path, text: str) -> None:
    assert load_config(Settings, write(tmp_path, text), ["inner.limit=1"]).inner.limit == 1


def test_no_file_gives_defaults() -> None:
    assert load_config(Settings, None) == Settings()


def test_lines_of_keys(tmp_path: Path) -> None:
    path = write(tmp_path, "# head\ninner:\n  rate: 1\npool:\n  - name: p\n  - {name: q,\n     limit: 1}\n")
    assert read_yaml(path).lines == {
        "inner": 2,
        "inner.rate": 3,
        "pool": 4,
        "pool.0": 5,
        "pool.0.name": 5,
        "pool.1": 6,
        "pool.1.name": 6,
        "pool.1.limit": 7,
    }


def test_errors_name_the_line_or_the_override(tmp_path: Path) -> None:
    path = write(tmp_path, "inner:\n  rate: 1\n  nane: x\nrms: 3\n")
    assert error(path) == (
        "inner.nane: unknown key. Did you mean name? (FILE, line 3);"
        " rms: found 3, expected a list (FILE, line 4)"
    )
    assert error(None, "--inner.nane=x") == (
        "inner.nane: unknown key. Did you mean name? (--inner.nane on the command line)"
    )


def test_a_key_given_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "inner:\n  rate: 1\n  name: a\n  rate: 2\n")
    assert error(path) == "inner.rate: given twice, first in line 2; keep one of the two (FILE, line 4)"


def test_aliases_and_merge_keys(tmp_path: Path) -> None:
    path = write(tmp_path, "inner: &base\n  rate: 1\n  limit: 2\nother:\n  <<: *base\n  limit: 3\n")
    loaded = load_config(Settings, path, ["inner.name=changed"])
    assert loaded.other == Inner(rate=1, limit=3)


def test_an_override_changes_one_of_two_aliases(tmp_path: Path) -> None:
    path = write(tmp_path, "inner: &base {rate: 1}\nother: *base\n")
    loaded = load_config(Settings, path, ["inner.rate=5"])
    assert (loaded.inner.rate, loaded.other.rate) == (5, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inner: [1\n", "not valid YAML: expected ',' or ']', but got '<stream end>' (FILE, line 2)"),
        ("a: b: c\n", "not valid YAML: mapping values are not allowed here (FILE, line 1)"),
        ("- 1\n", "found a list, expected keys and values (FILE, line 1)"),
        ("words\n", "found a str, expected keys and values (FILE, line 1)"),
        ("inner: &x\n  name: *x\n", "not valid settings: an alias holds itself (FILE)"),
        ("inner: !!python/name:os.system\n", "not valid YAML: could not determine a constructor for the tag"),
        ("inner: 2024-13-99\n", "not valid YAML: month must be in 1..12; quote it if it is text (FILE)"),
        ("inner: \x07\n", "not valid YAML: special characters are not allowed (FILE)"),
    ],
)
def test_files_that_hold_no_settings(tmp_path: Path, text: str, expected: str) -> None:
    assert error(write(tmp_path, text)).startswith(expected)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert error(tmp_path / "setings.yaml").endswith(f"does not exist. Did you mean {path}?")
    assert error(tmp_path / "pool.yaml").endswith("does not exist.")
    assert error(tmp_path / "no" / "x.yaml").endswith(f"does not exist: no folder {tmp_path / 'no'}")
    assert error(tmp_path).startswith("cannot be read: Is a directory")
    path.write_bytes(b"name: \xff")
    assert error(path) == "not a text file: byte 6 is not UTF-8 (FILE)"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("inner.rate", "found 'inner.rate', expected --key=value or --section.key=value (command line)"),
        ("inner..rate=1", "found 'inner..rate=1', expected --key=value"),
        (
            "rms=[1",
            "rms: found '[1', which is not valid YAML; quote it if it is text (--rms on the command line)",
        ),
        ("inner.rate.x=1", "inner.rate: found 1, which has no key x (inner.rate.x on the command line)"),
        ("pool.3.name=1", "pool: found position 3, expected 0 to 1 (pool.3.name on the command line)"),
        ("pool.x.name=1", "pool: found position x, expected 0 to 1 (pool.x.name on the command line)"),
    ],
)
def test_overrides_that_cannot_be_applied(tmp_path: Path, override: str, expected: str) -> None:
    path = write(tmp_path, "inner: {rate: 1}\npool: [{}, {}]\n")
    assert error(path, override).startswith(expected)


@pytest.mark.parametrize("text", ["1e-5", "1E5", "-2e+3", ".5e1", "1.5e3"])
def test_exponents_without_a_point_are_numbers(tmp_path: Path, text: str) -> None:
    assert read_yaml(write(tmp_path, f"x: {text}\n")).data == {"x": float(text)}


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "1e-5",
        "no",
        "null",
        "~",
        "2024-01-01",
        "12:30",
        "<<",
        "0x1",
        "- a",
        "a: b",
        " x ",
        "#",
        "",
        ".inf",
        "a\x85\u2028b",
    ]
)
inners = st.builds(
    Inner,
    rate=st.floats(allow_nan=False),
    name=words,
    limit=st.none() | st.integers(),
)
settings_trees = st.builds(
    Settings,
    inner=inners,
    rms=st.lists(words).map(tuple),
    pool=st.lists(inners, max_size=3).map(tuple),
    notes=st.dictionaries(words, words | st.booleans() | st.none() | st.floats(allow_nan=False), max_size=4),
    folder=st.sampled_from([None, Path("a/b")]),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dump") / "settings.yaml"


@settings(deadline=None)
@given(tree=settings_trees)
def test_dump_then_load_is_the_identity(path: Path, tree: Settings) -> None:
    path.write_bytes(dump_config(tree).encode())
    assert load_config(Settings, path) == tree
