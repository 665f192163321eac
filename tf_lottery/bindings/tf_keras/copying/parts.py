"""The parts of a layer, which its configuration may say too little of."""

from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_of
from tf_lottery.bindings.tf_keras.naming import parts


def set_flags(copied: Any, original: Any) -> None:
    """Freezes the parts of a layer that are frozen: its configuration lacks them.

    Raises:
        ValueError: A part with another setting than its counterpart.
    """
    mine = dict(parts(copied))
    for path, part in parts(original):
        if path not in mine:
            continue
        # Not `trainable`: that would set the flags of the parts inside, too.
        mine[path]._trainable = part._trainable
        theirs, ours = _settings(part), _settings(mine[path])
        if differs := [name for name in theirs if ours.get(name) != theirs[name]]:
            name = differs[0]
            raise ValueError(
                "A copy of the model must have the same settings. Received: "
                f"{path.rstrip('/') or original.name!r} ({type(part).__name__}) in "
                f"{original.name!r}, whose {name} is {theirs[name]} and "
                f"{ours.get(name)} in a copy. The `get_config()` of "
                f"{type(original).__name__} lacks it, or it was changed after the "
                "layer was made: pass it when the layer is made."
            )


def _settings(part: Any) -> dict[str, Any]:
    """The numbers and flags of a configuration, as far as they are known."""
    if isinstance(part, keras.Model) or adapted_of(part):
        return {}
    try:
        config = part.get_config()
    except (NotImplementedError, TypeError, ValueError):
        return {}
    plain = (bool, int, float)
    values = {k: v for k, v in config.items() if isinstance(v, plain)}
    return {name: value for name, value in values.items() if name != "trainable"}
