"""Controls change one thing about a ticket: train them beside it to see what it owes.

A control is any callable from a ticket and its context to another ticket. If it
trains as well as the ticket, what it changed was not what made the ticket good.
"""

import zlib
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tf_lottery.core.blocks import (
    Block,
    blocks_by_path,
    mask_of_blocks,
    mask_of_weights,
)
from tf_lottery.core.choices import check_control
from tf_lottery.core.masks import Mask, Masks
from tf_lottery.core.outcome import Outcome, State
from tf_lottery.core.ticket import Ticket


@dataclass(frozen=True, eq=False)
class Context:
    """What a control may use besides the ticket.

    Attributes:
        seed: Equal seeds give equal controls.
        draw: A fresh initial state of the same model for a seed, with the names
            of the ticket's state: weights, optimizer and all.
        initial: The state of the dense network before training.
        dense: What training the dense network gave.
    """

    seed: int
    draw: Callable[[int], State] | None = None
    initial: State | None = None
    dense: Outcome | None = None


Control = Callable[[Ticket, Context], Ticket]


def reinit(ticket: Ticket, context: Context) -> Ticket:
    """Draws the weights anew and keeps the masks: the paper's control.

    It starts at step 0 and trains for the full budget, also where the ticket
    starts later. If it trains as well, the structure is enough.

    Raises:
        ValueError: A context that cannot draw.
    """
    return _control(ticket, ticket.masks, _drawn("reinit", context))


def reinit_same_sign(ticket: Ticket, context: Context) -> Ticket:
    """Draws the weights anew, but keeps the sign of each prunable weight.

    The sign is that of the weight where the ticket starts; a weight that is
    exactly 0 there keeps the sign it is drawn with. If it trains as well as the
    ticket, and `reinit` does not, the signs matter and not the sizes.

    Raises:
        ValueError: A context that cannot draw.

    Reference: Zhou et al., "Deconstructing Lottery Tickets", arXiv 1905.01067.

    Example:
        >>> ticket = Ticket(Masks.full({"k": (3,)}), {"k": np.float32([-1, 2, 0])})
        >>> context = Context(0, draw=lambda seed: {"k": np.float32([5, -6, -7])})
        >>> reinit_same_sign(ticket, context).weights["k"]
        array([-5.,  6., -7.], dtype=float32)
    """
    drawn = _drawn("reinit_same_sign", context)
    signed = {}
    for path in ticket.masks:
        new, old = drawn[path], ticket.state[path]
        signed[path] = np.where(old == 0, new, np.copysign(new, old))
    # The drawn state may be one that cannot be written to; only `signed` is.
    state: State = ChainMap(signed, drawn)  # type: ignore[arg-type]
    return _control(ticket, ticket.masks, state)


def shuffle(ticket: Ticket, context: Context) -> Ticket:
    """Moves each layer's mask to random positions and keeps its density.

    The weights stay where they are, and so does the step. If it trains as well
    as the ticket, the search found densities, not structure. The blocks of a
    plan with a `block_size` move as units.

    Equal seeds move equal positions: the shuffled masks of several rounds are
    nested as those of their tickets are.

    Raises:
        ValueError: The weights that the ticket removes are not known any more,
            but 0: after learning rate rewinding, fine-tuning, or a file.

    References: Frankle et al., "Pruning Neural Networks at Initialization",
        arXiv 2009.08576; Su et al., "Sanity-Checking Pruning Methods",
        arXiv 2009.11094.

    Example:
        >>> masks = Masks({"k": [True, True, False, False, False]})
        >>> ticket = Ticket(masks, {"k": np.float32([1, 2, 3, 4, 5])})
        >>> shuffle(ticket, Context(seed=0)).masks["k"]
        array([False, False, False,  True,  True])
    """
    masks = _shuffled(ticket, context.seed)
    _check_known(ticket, masks)
    return _control(ticket, masks, ticket.state, ticket.step)


def random_mask(ticket: Ticket, context: Context) -> Ticket:
    """Shuffles the masks and draws the weights anew: a random sparse network.

    Only the density of each layer is the ticket's. These are the dashed lines of
    the paper's figure 1.

    Raises:
        ValueError: A context that cannot draw.
    """
    state = _drawn("random_mask", context)
    return _control(ticket, _shuffled(ticket, context.seed), state)


def rewound(ticket: Ticket, context: Context) -> Ticket:
    """Sets the weights back to the initialisation, at step 0.

    In a search with retrain="lr_rewind" or "fine_tune" this is the paper's
    second strategy (appendix B): continued training, reset at the very end.
    After a late rewind it says what the training before that step is worth.

    Raises:
        ValueError: A context without the initial state.
    """
    if context.initial is None:
        raise ValueError(
            "The control 'rewound' needs the state of the dense network before "
            "training. Received: a context with initial=None."
        )
    return _control(ticket, ticket.masks, context.initial)


NAMES: dict[str, Control] = {
    function.__name__: function
    for function in (reinit, reinit_same_sign, shuffle, random_mask, rewound)
}


def get(control: str | Control) -> Control:
    """The control of that name; a callable is returned as it is.

    Raises:
        ValueError: An unknown name.
    """
    check_control(control)
    return NAMES[control] if isinstance(control, str) else control


def unchanged(ticket: Ticket, control: Ticket) -> list[str]:
    """The prunable weights at which a control has changed nothing.

    Neither the mask nor a starting value of what it keeps: `reinit` leaves a
    layer as it is whose initialiser is constant, `shuffle` one that is dense.

    Args:
        ticket: The ticket.
        control: What a control made of it.
    """
    return [path for path in ticket.masks if _is_equal(path, ticket, control)]


def _control(ticket: Ticket, masks: Masks, state: State, step: int = 0) -> Ticket:
    return Ticket(
        masks,
        state,
        step,
        ticket.round,
        plan=ticket.plan,
        architecture=ticket.architecture,
    )


def _drawn(name: str, context: Context) -> State:
    if context.draw is None:
        raise ValueError(
            f"The control {name!r} needs a function that draws a fresh state of the "
            "model for a seed. Received: a context with draw=None."
        )
    return context.draw(context.seed)


def _shuffled(ticket: Ticket, seed: int) -> Masks:
    shapes, plan = ticket.masks.shapes, ticket.plan
    blocks = blocks_by_path(shapes, plan.block_size) if plan else {}
    return Masks(
        {
            path: _permuted(path, mask, blocks.get(path), seed)
            for path, mask in ticket.masks.items()
        }
    )


def _permuted(path: str, mask: Mask, block: Block | None, seed: int) -> Mask:
    if block:
        mask = mask_of_blocks(path, mask, block)
    draw = np.random.default_rng([seed, zlib.crc32(path.encode())])
    # Flat: `permutation` moves whole rows, and takes a scalar for a range.
    permuted = draw.permutation(mask.flatten()).reshape(mask.shape)
    return mask_of_weights(permuted, block) if block else permuted


def _check_known(ticket: Ticket, masks: Masks) -> None:
    """Raises if many weights that `masks` bring back are 0, unlike the survivors."""
    before = ticket.masks
    returned = {path: masks[path] & ~before[path] for path in before}
    # Not any: an initialiser draws a 0 now and then, or zeros only.
    if _zeros(ticket.state, returned) > _zeros(ticket.state, before) + 0.25:
        raise ValueError(
            "The control 'shuffle' needs the starting values of removed weights, and "
            "this ticket has zeros there, as after learning rate rewinding, "
            'fine-tuning, or a file. Search with retrain="rewind", or use the control '
            "'random_mask'."
        )


def _zeros(state: State, masks: Mapping[str, Mask]) -> float:
    """The fraction of zeros among the weights that are kept."""
    kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    nonzero = sum(int(np.count_nonzero(state[p][masks[p]])) for p in masks)
    return 1 - nonzero / kept if kept else 0.0


def _is_equal(path: str, ticket: Ticket, control: Ticket) -> bool:
    mask = ticket.masks[path]
    return np.array_equal(mask, control.masks[path]) and bool(
        np.array_equal(ticket.state[path][mask], control.state[path][mask])
    )
