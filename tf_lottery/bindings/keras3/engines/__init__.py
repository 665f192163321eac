"""Engines: how each backend takes groups of optimizer steps."""

import importlib
from typing import Any

from tf_lottery.bindings.keras3._imports import BACKEND


def engine(model: Any, group: int, given: int, checked: Any) -> Any:
    """The engine of the backend, see `base.EngineBase`."""
    kind = importlib.import_module(f"{__name__}.{BACKEND}").Engine
    return kind(model, group, given, checked)
