"""What a user should know before a search."""

from typing import NamedTuple

from tf_lottery.training.data import SeededData
from tf_lottery.training.prepared import Prepared


class Notes(NamedTuple):
    """Sentences.

    Attributes:
        plain: What is good to know.
        warnings: What may be a mistake.
    """

    plain: list[str]
    warnings: list[str]


def of(prepared: Prepared, data: SeededData) -> Notes:
    """The notes of a search on the data of its seed."""
    plain, warnings = [], []
    if prepared.devices.processes.replicas > 1:
        plain.append(f"{prepared.devices.in_words()}.")
    if skipped := prepared.searched.skipped:
        plain.append(f"Not pruned, as no kernel: {', '.join(skipped)}")
    plain += data.notes
    if prepared.file_lacks:
        warnings.append(
            "The ticket of this search can be used in this process, but its model "
            "cannot be made from its file alone: keep the code of the model. "
            f"{prepared.file_lacks}"
        )
    if "val" not in data.evaluated:
        warnings.append(
            "Without `validation_data` the training score decides, and no ticket can "
            "be called winning."
        )
    return Notes(plain, warnings)
