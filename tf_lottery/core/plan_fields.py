"""The types of a plan's fields in a file; `Plan` itself checks their values."""

from typing import Any

from tf_lottery.core import fields

_COUNT = fields.optional(fields.whole)
_ROUNDS = fields.list_of(fields.whole)
_PLAN = fields.record(
    {"criterion": fields.name},
    {
        **dict.fromkeys(("rounds", "epochs", "replicates"), fields.whole),
        **dict.fromkeys(("seed", "control_replicates"), fields.whole),
        **dict.fromkeys(("steps", "steps_per_epoch", "batch_size"), _COUNT),
        "evaluate_every": _COUNT,
        "pruning_rate": fields.number,
        "layer_rates": fields.each(fields.number),
        "block_size": fields.list_of(fields.whole, 2),
        "rewind_to": fields.either(fields.whole, fields.name),
        "monitor": fields.optional(fields.name),
        "tolerance": fields.number,
        "controls": fields.list_of(fields.name),
        "control_rounds": fields.optional(fields.either(_ROUNDS, fields.each(_ROUNDS))),
        **dict.fromkeys(("scope", "retrain", "mode"), fields.name),
    },
)


def check_fields(where: str, values: Any) -> None:
    """Raises unless these are the fields of a plan, of the types that they have.

    Raises:
        ValueError: A field that is missing, unknown or of the wrong type.
    """
    _PLAN(where, values)
