"""A hook of mkdocs: copies what the pages are made of, with its links, to one folder.

Pages link to each other as files of the repository do; so the site has the same tree.
"""

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
FOLDERS = ("docs", "recipes", "examples", "tools")


def on_config(config: Any) -> Any:
    """Fills `docs_dir`, before mkdocs reads it."""
    pages = Path(config["docs_dir"])
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / name, pages / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, pages / name, ignore=_not_for_pages)
    return config


def _not_for_pages(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__" or name.endswith(".gz")]
