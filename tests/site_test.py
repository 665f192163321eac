"""The site is built strict: every link leads somewhere, every public name is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tf_lottery

ROOT = Path(__file__).parents[1]
pytest.importorskip("mkdocs", reason="The extra `docs`.")


def build(tmp_path, config="mkdocs.yml"):
    """What mkdocs says, and where the site is."""
    (ROOT / "build" / "pages").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    command += ["--config-file", config, "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    return done, tmp_path / "site"


def test_the_site_is_built_and_has_every_public_name(tmp_path):
    done, site = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (site / "docs" / "api" / "index.html").read_text()
    for name, module in tf_lottery._NAMES.items():
        assert f'id="{module}.{name}"' in page, name
    modules = (site / "docs" / "api_modules" / "index.html").read_text()
    for module in (tf_lottery.export, tf_lottery.report):
        for name in getattr(module, "__all__", vars(module)):
            if callable(value := getattr(module, name)) and not name.startswith("_"):
                assert f'id="{value.__module__}.{name}"' in modules, name
    for image in ("docs/results/lenet_mnist/accuracy.png", "docs/images/report.png"):
        assert (site / image).exists()
