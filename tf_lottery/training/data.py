"""What a user passed as data, for each seed."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tf_lottery.bindings.protocol import Binding
from tf_lottery.core.data import Data
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive


@dataclass(frozen=True)
class Given:
    """What a user passed.

    Attributes:
        binding: What knows the forms of data.
        train: Training data, or a function of the seed.
        validation, test: Data to evaluate on.
        class_weight: The weight of each class in the training loss.
        validation_split: The last fraction of arrays, to validate on.
    """

    binding: Binding
    train: Any
    validation: Any = None
    test: Any = None
    class_weight: Mapping[int, float] | None = None
    validation_split: float | None = None

    @property
    def is_function(self) -> bool:
        """Whether it is a function of the seed."""
        return callable(self.train) and not self.binding.is_batches(self.train)

    def resolved(self, plan: Plan) -> Data:
        """The data of a plan's seed, split; a function of the seed is called here.

        Raises:
            TypeError: A function that cannot take the seed.
            ValueError: Data that cannot be split, or that are given twice.
        """
        data = self.called(plan)
        if self.validation is not None and data.validation is not None:
            raise ValueError(
                "`validation_data` must be given once: in the `Data` that `dataset` "
                "is, or as an argument. Received: both."
            )
        parts = {
            "train": (data.train, self.is_function),
            "validation": (data.validation, self.is_function),
            "test": (data.test, self.is_function),
        }
        if self.validation is not None:
            parts["validation"] = self.validation, False
        if self.test is not None:
            parts["test"] = self.test, False
        found = Data(
            **{
                name: self.binding.part(part, self.again(name, plan) if made else None)
                for name, (part, made) in parts.items()
            }
        )
        if self.validation_split is not None:
            return self.binding.split(found, self.validation_split)
        return found

    def called(self, plan: Plan) -> Data:
        """The data as they were passed, or as the function returns them."""
        found = self.train
        if self.is_function:
            with self.binding.seeded(derive(plan.seed, "data")):
                found = _called(found, plan.seed)
        return found if isinstance(found, Data) else Data(found)

    def again(self, name: str, plan: Plan) -> Callable[[], Any] | None:
        """Calls the function for one part of its data; None if there is no function."""
        return (lambda: getattr(self.called(plan), name)) if self.is_function else None

    def facts(self) -> dict[str, Any]:
        """What these data are trained with, for `plan.json`."""
        facts: dict[str, Any] = {}
        if self.class_weight is not None:
            weights = {str(k): float(v) for k, v in self.class_weight.items()}
            facts["class_weight"] = weights
        if self.validation_split is not None:
            facts["validation_split"] = self.validation_split
        return facts

    def of(self, data: Data) -> "Given":
        """The same for other seeds: data that are no function stay what they are."""
        if self.is_function:
            return self
        parts = data.train, data.validation, data.test
        return Given(self.binding, *parts, self.class_weight)


def _called(function: Any, seed: int) -> Any:
    try:
        signature = inspect.signature(function)
        signature.bind(seed)
        _check_seed(next(iter(signature.parameters.values())))
    except TypeError as error:
        name = getattr(function, "__name__", type(function).__name__)
        if isinstance(function, type):
            raise TypeError(
                "`dataset` must be data, or a function of the seed that returns them. "
                f"Received: the class `{name}`. Pass an object of it, `{name}(...)`."
            ) from error
        if name.startswith("<"):
            name = "dataset"
        raise TypeError(
            "A function of the data must take the seed, and return the data. Received: "
            f"`{name}`, which cannot take it ({error}). Write `def "
            f"{name}(seed):`, and draw from the seed what is random."
        ) from error
    except ValueError:  # of some built-in functions nothing is known
        pass
    return function(seed)


def _check_seed(first: inspect.Parameter) -> None:
    """Raises of a parameter with a default that means something else, as a size."""
    if first.default is not inspect.Parameter.empty and first.name != "seed":
        raise TypeError(f"its first parameter is {str(first)!r}")
