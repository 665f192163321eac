"""What every export starts with: a model, and examples to compare files on."""

import contextlib
import functools
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tf_lottery.bindings.parts import Compaction
from tf_lottery.core.archive import PathLike
from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import telling_line
from tf_lottery.export import sample
from tf_lottery.export.agreement import difference
from tf_lottery.export.bound import binding_of, network
from tf_lottery.export.files import check_free
from tf_lottery.export.options import Options
from tf_lottery.export.progress import Progress
from tf_lottery.export.running import keras_model
from tf_lottery.export.sample import Sample
from tf_lottery.export.source import Source, source_of

EXACT = 1e-5  # the difference that another order of adding may make


@dataclass
class Job:
    """One export.

    Attributes:
        source: The model and its dense twin.
        path, options: Where the file goes, and the options of the export.
        sample: The examples on which the file is compared.
        wanted: The outputs of the model on these examples.
        tolerance, of_spread: How large a `difference` may be, and of which kind.
        was_in_half: Whether the model computed in half precision, and now does not.
        computed_by: What computed the outputs, if another process did.
        versions: The versions of the packages of that process.
        progress: Shows which step the export is at.
    """

    source: Source
    path: Path
    options: Options
    sample: Sample
    wanted: Sequence[NDArray[Any]]
    tolerance: float = EXACT
    of_spread: bool = False
    was_in_half: bool = False
    computed_by: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def of(
        cls,
        exported: Any,
        path: PathLike,
        options: Options,
        *,
        in_float32: bool = False,
        other_data: Any = None,
        input_shape: Sequence[int] | None = None,
        tolerance: float = EXACT,
        of_spread: bool = False,
    ) -> "Job":
        """The export of a ticket or a model.

        Args:
            exported: The ticket or the model.
            path, options: See `Job`.
            in_float32: Whether half precision becomes float32.
            other_data: What to compare on, if there are neither `options.data` nor
                data of the search.
            input_shape: The shape of one example, if there are no data.
            tolerance, of_spread: See `Job`.
        """
        path, binding = Path(path), binding_of(exported)
        check_free(path, options.overwrite)
        with binding.by_name(options.custom_objects):
            source = source_of(exported, options)
            was_in_half = in_float32 and network(source.model).in_half
            source = source.in_float32() if was_in_half else source
        if options.verbose:
            print(f"Exporting {path}: writes, runs and times it.", flush=True)
        progress = Progress(path.name if options.verbose else "")
        examples = _sample(source, options.data, other_data, input_shape)
        with progress.step("computing the outputs"):
            wanted = _wanted(source, examples)
        return cls(
            source,
            path,
            options,
            examples,
            wanted,
            tolerance,
            of_spread,
            was_in_half,
            progress=progress,
        )

    @functools.cached_property
    def compaction(self) -> Compaction:
        """The model that is written, and what was removed from it."""
        if not self.options.compact:
            return self.whole
        model = self.source.model
        with binding_of(model).by_name(self.options.custom_objects):
            compaction = network(model).compacted(self.options.drop_inputs)
        outputs = keras_model(compaction.model).predict(self.sample.inputs)
        self.check(difference(outputs, self.wanted), EXACT)
        return compaction

    @property
    def whole(self) -> Compaction:
        """The model as it is, nothing removed."""
        return Compaction(self.source.model, {}, {}, {}, {})

    def difference(self, outputs: Sequence[Any]) -> float:
        """How far outputs are from those of the model."""
        return difference(outputs, self.wanted, of_spread=self.of_spread)

    def check(self, found: float, tolerance: float) -> None:
        """Raises if outputs are farther from those of the model."""
        if not found <= tolerance:
            raise ExportError(
                f"The exported model must give the ticket's outputs. On {self.sample} "
                f"they differ by {found:.2g}, and {tolerance} is allowed. Nothing was "
                "written. Try `compact=False`, or another format."
            )


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of packages that are installed."""
    found = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _sample(
    source: Source, given: Any, other_data: Any, input_shape: Sequence[int] | None
) -> Sample:
    model, data = source.model, (given, source.data, other_data)
    if input_shape is not None and any(part is not None for part in data):
        raise ValueError(
            "`input_shape` must be left out if there are data, which have a shape. "
            f"Received: input_shape={input_shape!r}, and data."
        )
    if given is not None:
        return sample.take(given, model, "given data")
    if source.data is not None:
        return sample.of_search(source.data, model)
    if other_data is not None:
        return sample.take(other_data, model, "representative data")
    return sample.random(model, input_shape=input_shape)


def _wanted(source: Source, examples: Sample) -> list[NDArray[Any]]:
    try:
        return keras_model(source.model).predict(examples.inputs)
    except Exception as error:  # layers raise whatever they like
        if not source.takes_sparse:
            raise
        raise ExportError(
            "An exported file takes dense inputs, and so must each layer of the "
            "model. Received: a model of sparse inputs that fails on dense ones "
            f"with {telling_line(error)}."
        ) from error
