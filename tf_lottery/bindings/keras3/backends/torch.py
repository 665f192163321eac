"""PyTorch: tensors that are changed in place, and one random state for all."""

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import torch

from tf_lottery.bindings.keras3.backends import host

PACKAGES = ("torch",)
ONNX = ("onnx", "onnxscript")
IN_WORDS = "PyTorch, all threads"
ERRORS: tuple[type[BaseException], ...] = (RuntimeError,)
# The most steps of a group, which are bit-identical to single ones.
GROUP = 50
# Of programs that are kept between processes, which JAX alone has.
programs_kept = contextlib.nullcontext
_OF_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by size in bytes


def copied(value: Any) -> Any:
    """The copy of a tensor; None of anything else."""
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if not isinstance(value, torch.Tensor):
        return None
    made = value.detach().clone()
    if isinstance(value, torch.nn.Parameter):
        return torch.nn.Parameter(made, requires_grad=value.requires_grad)
    return made.requires_grad_(value.requires_grad)


def replicas(value: Any) -> list[Any]:
    """A copy of a tensor."""
    tensor = value.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return [tensor.float().numpy().astype(ml_dtypes.bfloat16)]
    return [tensor.clone().numpy()]


def average(value: Any) -> None:
    """There is one replica."""


held = functools.partial(host.held, replicas)
snapshot = functools.partial(host.snapshot, replicas)
faults = functools.partial(host.faults, replicas)
all_replicas = functools.partial(host.all_replicas, replicas)
assign, restore, constant = host.assign, host.restore, host.constant


def is_constant(value: Any) -> bool:
    """Whether it is a tensor that is no parameter."""
    return not isinstance(value, torch.nn.Parameter)


def gradients(loss: Any, variables: Any, scope: Any) -> list[Any]:
    """The gradients of what a function computes of variables of Keras."""
    found = torch.autograd.grad(
        loss(), [variable.value for variable in variables], allow_unused=True
    )
    pairs = zip(found, variables, strict=True)
    return [torch.zeros_like(v.value) if g is None else g for g, v in pairs]


def compiled(function: Any, variables: Any, scope: Any) -> Any:
    """A function of tensors without gradients; it is not compiled."""
    return torch.no_grad()(function)


def masked(gradient: Any, mask: Any) -> Any:
    """What a mask keeps of a gradient.

    Its bits are multiplied: that takes a sixth of the time of `torch.where`, and makes
    zero of NaN, too.
    """
    bits = gradient.view(_OF_BITS[gradient.element_size()])
    return (bits * mask).view(gradient.dtype)


def reached(values: Any) -> list[str]:
    """See `untracked`."""
    return []


def untracked(model: Any) -> dict[str, Any]:
    """Buffers of modules, and tensors that are attributes, by name: what changes."""
    found: dict[str, Any] = {}
    for layer in model._flatten_layers():
        tensors = dict(layer.named_buffers())
        for name, value in vars(layer).items():
            if isinstance(value, torch.Tensor) and not name.startswith("_"):
                tensors[name] = value
        found |= {f"{layer.name}.{name}": value for name, value in tensors.items()}
    return {name: (id(value), value._version) for name, value in found.items()}


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch draws from `seed` inside."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def platform() -> str:
    """What computes, such as "cpu"."""
    chosen = os.environ.get("KERAS_TORCH_DEVICE", "")
    if chosen:
        return chosen.partition(":")[0]
    return "gpu" if torch.cuda.is_available() else "cpu"
