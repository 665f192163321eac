"""Whether the file of a search's ticket is enough to make a model of it."""

import functools

from tf_lottery.core.errors import TicketError
from tf_lottery.core.warn import warn
from tf_lottery.pruning.rebuild import rebuild
from tf_lottery.training.models import called
from tf_lottery.training.trainer import Trainer


def warn_if_more_is_needed(trainer: Trainer) -> None:
    """Warns, before anything is trained, if the model cannot be made from the file."""
    make = functools.partial(rebuild, trainer.dense())
    try:
        called(make, trainer.plan.seed, None)
    except TicketError as error:
        warn(
            "The ticket of this search can be used in this process, but from its file "
            f"alone its model cannot be made, so keep the code of the model. {error}"
        )
