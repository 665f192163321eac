"""What every export starts with: a model, and examples to compare files on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_lottery.bindings.parts import Compaction
from tf_lottery.core.archive import PathLike
from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import telling_line
from tf_lottery.export import runtime, sample
from tf_lottery.export._frameworks import binding_of, network
from tf_lottery.export.agreement import difference
from tf_lottery.export.files import check_free
from tf_lottery.export.options import Options
from tf_lottery.export.source import source_of

EXACT = 1e-5  # the difference that another order of adding may make


class Job:
    """One export.

    Args:
        exported: A ticket or a model.
        path, options: Where the file goes, and the options of the export.
        in_float32: Whether half precision becomes float32.
        other_data: What to compare on, if there are neither `options.data` nor data of
            the search.
        input_shape: The shape of one example, if there are no data.
        tolerance, of_spread: How large a `difference` may be, and of which kind.

    Attributes:
        source: The model and its dense twin.
        was_in_half: Whether the model computed in half precision, and now does not.
        sample: The examples on which the file is compared.
        wanted: The outputs of the model on these examples.
        compaction: The model that is written, and what was removed from it.
    """

    def __init__(
        self,
        exported: Any,
        path: PathLike,
        options: Options,
        *,
        in_float32: bool = False,
        other_data: Any = None,
        input_shape: Sequence[int] | None = None,
        tolerance: float = EXACT,
        of_spread: bool = False,
    ) -> None:
        self.path, self.options = Path(path), options
        self.tolerance, self.of_spread = tolerance, of_spread
        check_free(self.path, options.overwrite)
        with binding_of(exported).by_name(options.custom_objects):
            source = source_of(exported, options)
            self.was_in_half = in_float32 and network(source.model).in_half
            self.source = source.in_float32() if self.was_in_half else source
        if options.verbose:
            print(f"Exporting {self.path}: writes, runs and times it.", flush=True)
        self.sample = self._sample(other_data, input_shape)
        self.wanted = self._wanted()
        self.compaction = self._compacted() if options.compact else self.whole

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

    def _sample(
        self, other_data: Any, input_shape: Sequence[int] | None
    ) -> sample.Sample:
        model, given = self.source.model, self.options.data
        data = (given, self.source.data, other_data)
        if input_shape is not None and any(part is not None for part in data):
            raise ValueError(
                "`input_shape` must be left out if there are data, which have a shape. "
                f"Received: input_shape={input_shape!r}, and data."
            )
        if given is not None:
            return sample.take(given, model, "given data")
        if self.source.data is not None:
            return sample.of_search(self.source.data, model)
        if other_data is not None:
            return sample.take(other_data, model, "representative data")
        return sample.random(model, input_shape=input_shape)

    def _wanted(self) -> Any:
        try:
            return runtime.keras_model(self.source.model).predict(self.sample.inputs)
        except Exception as error:  # layers raise whatever they like
            if not self.source.takes_sparse:
                raise
            raise ExportError(
                "An exported file takes dense inputs, and so must each layer of the "
                "model. Received: a model of sparse inputs that fails on dense ones "
                f"with {telling_line(error)}."
            ) from error

    def _compacted(self) -> Compaction:
        model = self.source.model
        with binding_of(model).by_name(self.options.custom_objects):
            compaction = network(model).compacted(self.options.drop_inputs)
        outputs = runtime.keras_model(compaction.model).predict(self.sample.inputs)
        self.check(difference(outputs, self.wanted), EXACT)
        return compaction
