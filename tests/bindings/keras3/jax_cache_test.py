"""JAX: a second process finds the programs that the first compiled."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bindings.keras3.models import BACKEND

if BACKEND != "jax":
    pytest.skip("Programs of JAX.", allow_module_level=True)

import jax
from jax.experimental.compilation_cache import compilation_cache

from tf_lottery.bindings.keras3 import jax_cache

ROOT = Path(__file__).parents[3]


def search(directory, **environment):
    """What `cached_search.py` says of a search in a process of its own."""
    module = "tests.bindings.keras3.cached_search"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, str(directory)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tf_lottery" / "jax"


def test_a_second_process_compiles_nothing_and_has_the_same_bits(tmp_path):
    home = {"XDG_CACHE_HOME": str(tmp_path / "home")}
    first = search(tmp_path / "first", **home)
    second = search(tmp_path / "second", **home)
    without = search(tmp_path / "third", JAX_ENABLE_COMPILATION_CACHE="0")
    assert first["cache_misses"] > 0
    assert second["cache_misses"] == 0
    assert second["cache_hits"] >= first["cache_misses"]
    assert second["compile_requests_use_cache"] == second["cache_hits"]
    assert without["cache_hits"] == without["cache_misses"] == 0
    assert first["bits"] == second["bits"] == without["bits"]
    for found in (first, second, without):
        assert found["unchanged"]
        assert found["later"] == 0, "it keeps what others compile after a search"


def test_a_cache_of_the_users_own_is_used_as_it_is(own_cache, tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    try:
        config = dict(jax.config.values)
        with jax_cache.programs_kept():
            assert dict(jax.config.values) == config
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    assert not own_cache.exists()


def test_only_the_user_can_read_the_programs(own_cache):
    with jax_cache.programs_kept():
        assert jax.config.jax_compilation_cache_dir == str(own_cache)
        with jax_cache.programs_kept():
            assert jax.config.jax_compilation_cache_dir == str(own_cache)
        assert jax.config.jax_compilation_cache_dir == str(own_cache)
    assert own_cache.stat().st_mode & 0o777 == 0o700
    assert jax.config.jax_compilation_cache_dir is None


@pytest.mark.usefixtures("own_cache")
def test_nothing_is_logged_of_the_cache_and_the_users_own_resets_are(caplog):
    caplog.set_level(logging.INFO)
    with jax_cache.programs_kept():
        jax.jit(lambda x: x * 3 + 1)(1)
    assert "cache" not in caplog.text
    compilation_cache.reset_cache()
    assert "Resetting cache" in caplog.text


def test_without_a_place_to_write_programs_are_compiled(tmp_path, monkeypatch, recwarn):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with jax_cache.programs_kept():
        assert jax.config.jax_compilation_cache_dir is None
        assert jax.jit(lambda x: x + 5)(1) == 6
    assert not recwarn.list


def test_a_damaged_program_is_compiled_again(own_cache):
    def compute():
        jax.clear_caches()
        with jax_cache.programs_kept():
            return jax.jit(lambda x: x * 7 + 5)(1)

    assert compute() == 12
    for path in own_cache.glob("*-cache"):
        path.write_bytes(path.read_bytes()[:20])
    with pytest.warns(UserWarning, match="persistent compilation cache"):
        assert compute() == 12


def test_the_oldest_programs_go_where_there_are_too_many(tmp_path):
    for number in range(4):
        path = tmp_path / str(number)
        path.write_bytes(bytes(10))
        os.utime(path, (number, number))
    jax_cache._trim(tmp_path, 25)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]
