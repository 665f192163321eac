"""Controls change one thing about a ticket, to find out what makes the ticket good.

A control is any callable that takes a ticket and a context and returns another ticket.
If the control trains as well as the ticket, the thing that it changed does not matter.
"""

import zlib
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tf_lottery.core.arrays import Mask
from tf_lottery.core.blocks import blocks_by_path, mask_of_blocks, mask_of_weights
from tf_lottery.core.choices import check_control
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome, State
from tf_lottery.core.ticket import Ticket


@dataclass(frozen=True, eq=False)
class Context:
    """What a control may use in addition to the ticket.

    Attributes:
        seed: Equal seeds give equal controls.
        draw: A function from a seed to a new initial state of the same model: all
            that the ticket's state has, including the optimizer's variables.
        initial: The state of the dense network before training.
        dense: The outcome of training the dense network.
    """

    seed: int
    draw: Callable[[int], State] | None = None
    initial: State | None = None
    dense: Outcome | None = None


Control = Callable[[Ticket, Context], Ticket]


def reinit(ticket: Ticket, context: Context) -> Ticket:
    """Keeps the masks and draws new weights: the paper's control.

    It starts at step 0 and trains for the full budget, also if the ticket starts
    later. If it trains as well as the ticket, the masks alone are enough.

    Raises:
        ValueError: The context has no `draw`.
    """
    return _control(ticket, ticket.masks, _drawn("reinit", context))


def reinit_same_sign(ticket: Ticket, context: Context) -> Ticket:
    """Keeps the masks and the signs of prunable weights, and draws new weights.

    The sign is the one that the weight has where the ticket starts. If the weight
    is exactly 0 there, the drawn sign stays. If this control trains as well as the
    ticket, and `reinit` does not, then the signs matter and the sizes do not.

    Raises:
        ValueError: The context has no `draw`.

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
    # A chain, since the drawn state may be read-only.
    state: State = ChainMap(signed, drawn)  # type: ignore[arg-type]
    return _control(ticket, ticket.masks, state)


def shuffle(ticket: Ticket, context: Context) -> Ticket:
    """Moves each layer's mask to random positions, and keeps each layer's density.

    The weights and the step stay as they are. If it trains as well as the ticket,
    the densities of the layers matter, and the positions do not. With a
    `block_size`, blocks move as a whole.

    Equal seeds move equal positions: the shuffled masks of several rounds are
    nested, as the masks of the tickets are.

    Raises:
        ValueError: The starting values of removed weights were lost and are 0: after
            learning rate rewinding or fine-tuning, or in a ticket from a file.

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
    """Shuffles the masks and draws new weights: a random sparse network.

    Only the density of each layer is the same as in the ticket. These are the dashed
    lines of the paper's figure 1.

    Raises:
        ValueError: The context has no `draw`.
    """
    state = _drawn("random_mask", context)
    return _control(ticket, _shuffled(ticket, context.seed), state)


def rewound(ticket: Ticket, context: Context) -> Ticket:
    """Resets the weights to the initialisation, at step 0.

    In a search with retrain="lr_rewind" or "fine_tune" this is the paper's
    second strategy (appendix B): training continues over all rounds, and weights
    are reset once, at the end. In a search with a late rewind it shows what the
    training before that step is worth.

    Raises:
        ValueError: The context has no initial state.
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
    """The control of that name; a callable is returned as it is."""
    check_control(control)
    return NAMES[control] if isinstance(control, str) else control


def unchanged(ticket: Ticket, control: Ticket) -> list[str]:
    """The prunable weights of which a control has changed nothing.

    The mask is the same, and so are the starting values of the weights that it keeps.
    `reinit` does not change a layer with a constant initialiser, and `shuffle` does
    not change a dense layer.
    """
    return [
        path
        for path, mask in ticket.masks.items()
        if np.array_equal(mask, control.masks[path])
        and np.array_equal(ticket.state[path][mask], control.state[path][mask])
    ]


def _control(ticket: Ticket, masks: Masks, state: State, step: int = 0) -> Ticket:
    return Ticket(masks, state, step, ticket.round, ticket.plan, ticket.architecture)


def _drawn(name: str, context: Context) -> State:
    if context.draw is None:
        raise ValueError(
            f"The control {name!r} needs a function that draws a fresh state of the "
            "model for a seed. Received: a context with draw=None."
        )
    return context.draw(context.seed)


def _shuffled(ticket: Ticket, seed: int) -> Masks:
    plan, shuffled = ticket.plan, dict(ticket.masks)
    blocks = blocks_by_path(ticket.masks.shapes, plan.block_size) if plan else {}
    for path, block in blocks.items():
        shuffled[path] = mask_of_blocks(path, shuffled[path], block)
    for path, mask in shuffled.items():
        generator = np.random.default_rng([seed, zlib.crc32(path.encode())])
        # Flat: `permutation` moves whole rows, and a scalar would become a range.
        shuffled[path] = generator.permutation(mask.flatten()).reshape(mask.shape)
    for path, block in blocks.items():
        shuffled[path] = mask_of_weights(shuffled[path], block)
    return Masks(shuffled)


def _check_known(ticket: Ticket, masks: Masks) -> None:
    """Raises if many weights that `masks` bring back are 0, unlike the survivors."""
    before = ticket.masks
    returned = {path: masks[path] & ~before[path] for path in before}
    # A few zeros are normal: an initialiser may draw a 0, or only zeros.
    if _zeros(ticket.state, returned) > _zeros(ticket.state, before) + 0.25:
        raise ValueError(
            "The control 'shuffle' needs the starting values of removed weights. "
            "Received: a ticket with zeros there, as after learning rate rewinding or "
            'fine-tuning, or from a file. Search with retrain="rewind", or use the '
            "control 'random_mask'."
        )


def _zeros(state: State, masks: Mapping[str, Mask]) -> float:
    """The fraction of zeros among the weights that are kept."""
    kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
    nonzero = sum(int(np.count_nonzero(state[p][masks[p]])) for p in masks)
    return 1 - nonzero / kept if kept else 0.0
