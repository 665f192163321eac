"""What every export does: find the weights, a sample, write, compare, and report."""

import contextlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.copying.by_name import by_name
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.core import archive
from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import telling_line
from tf_lottery.export import latency, macs, runtime, sample
from tf_lottery.export.card import Card
from tf_lottery.export.compaction import Compaction, compact
from tf_lottery.export.compare import accuracy, argmax_agreement, difference, largest
from tf_lottery.export.options import Options
from tf_lottery.export.placing import check_free, placed
from tf_lottery.export.runtime import Loaded
from tf_lottery.export.sizes import Size, sha256, size
from tf_lottery.export.source import Source, resolve
from tf_lottery.export.stored import StoredTensor

EXACT = 1e-5  # what another order of adding may make
_FASTER = 0.95  # of the dense file's time; what is slower is not faster
_PACKAGES = ("tf_lottery", "tensorflow", "tf_keras", "ai_edge_litert")


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how it is read."""

    loaded: Loaded
    tensors: Sequence[StoredTensor]
    macs: tuple[int, Sequence[str]]
    operators: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


class Job:
    """One export.

    Attributes:
        source: The model and its dense twin.
        path: Where the file goes.
        options: What was asked for.
        sample: On what it is compared.
        wanted: The outputs of the model there.
    """

    def __init__(
        self,
        source: Any,
        path: archive.PathLike,
        options: Options,
        *,
        in_float32: bool = False,
        other_data: Any = None,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        """Finds what is exported.

        Args:
            source, path, options: What, where to, and how.
            in_float32: Whether half precision becomes float32.
            other_data: To compare on, if neither `data` nor the search's are there.
            input_shape: Of one example, if there are no data.
        """
        self.path = Path(path)
        self.options = options
        check_free(self.path, options.overwrite)
        if tf.distribute.has_strategy():
            raise ExportError(
                "A ticket must be exported outside of the scope of a strategy. "
                f"Received: the scope of {type(tf.distribute.get_strategy()).__name__}."
            )
        with self._custom_objects():
            self.source: Source = resolve(
                source,
                options.weights,
                options.custom_objects,
                options.safe_mode,
                options.model,
            )
            self._was_in_half = in_float32 and self.source.in_half
            if self._was_in_half:
                self.source = self.source.in_float32()
        if options.verbose:
            print(f"Exporting {self.path}: writes, runs and times it.", flush=True)
        self.sample = self._sample(other_data, input_shape)
        self.wanted = self._wanted()

    @property
    def whole(self) -> Compaction:
        """The model as it is, nothing removed."""
        return Compaction(self.source.model, {}, {}, {}, {})

    def compacted(self, wanted: bool, drop_inputs: bool) -> Compaction:
        """The model with or without compaction, compared with the ticket's.

        Raises:
            ExportError: It computes something else.
        """
        if not wanted:
            if drop_inputs:
                raise ValueError(
                    "`drop_inputs=True` needs `compact=True`. Received: compact=False."
                )
            return self.whole
        with self._custom_objects():
            compaction = compact(self.source.model, drop_inputs=drop_inputs)
        outputs = runtime.keras_model(compaction.model).predict(self.sample.inputs)
        self.check(outputs, EXACT)
        return compaction

    def check(
        self, outputs: Sequence[Any], tolerance: float, of_spread: bool = False
    ) -> None:
        """Raises unless outputs are those of the model, see `difference`."""
        found = difference(outputs, self.wanted, of_spread=of_spread)
        if not found <= tolerance:
            raise ExportError(
                f"The exported model must give the ticket's outputs. On {self.sample} "
                f"they differ by {found:.2g}, and {tolerance} is allowed. Nothing was "
                "written. Try `compact=False`, or another format."
            )

    def finish(
        self,
        write: Callable[[Path], None],
        read: Callable[[Path], Exported],
        *,
        format: Mapping[str, Any],
        tolerance: float,
        of_spread: bool = False,
        dense: tuple[Size, Loaded],
        stripped: Size,
        compaction: Compaction,
        rejected: Mapping[str, str] | None = None,
    ) -> Card:
        """Writes, reads what was written, and moves it into place with its card."""
        with placed(self.path, self.options.overwrite) as temporary:
            write(temporary)
            exported = read(temporary)
            outputs = exported.loaded.predict(self.sample.inputs)
            self.check(outputs, tolerance, of_spread)
            self._check_sparsity(exported.tensors)
            timed = self._latency(exported.loaded, dense[1])
            check = self._comparison(outputs, tolerance, of_spread)
            dense_macs = macs.macs(self.source.dense)
            card = Card(
                file=self.path.name,
                format=format,
                weights=self.source.weights,
                round=self.source.round,
                masks=self.source.masks.digest()[:16],
                signature=_signature(self.source.model),
                ticket_density=self.source.masks.density,
                sha256=sha256(temporary),
                sizes={
                    "dense": dense[0],
                    "stripped": stripped,
                    "exported": size(temporary),
                },
                tensors=exported.tensors,
                operators=exported.operators,
                removed={
                    "dead": compaction.dead,
                    "constant": compaction.constant,
                    "inputs": compaction.inputs,
                },
                left=compaction.left,
                macs={
                    "dense": dense_macs.all,
                    "nominal": macs.macs(self.source.model).nonzero,
                    "executed": exported.macs[0],
                    "uncounted": sorted({*dense_macs.uncounted, *exported.macs[1]}),
                },
                check=check,
                latency=timed,
                rejected=rejected or {},
                notes=[*exported.notes, *self._notes(timed, check)],
                versions=_versions(),
            )
            card.write(temporary)
        if self.options.verbose:
            print(card)
        return card

    def _check_sparsity(self, tensors: Sequence[StoredTensor]) -> None:
        """Raises if a file holds more weights than the ticket."""
        weights = [w.numpy() for w in named_weights(self.source.model).values()]
        kept = sum(np.count_nonzero(w) for w in weights if w.ndim > 1)
        # Scales and shifts of BatchNorm may have become constants of more axes.
        others = sum(w.size for w in weights if w.ndim <= 1)
        found = sum(tensor.nonzero for tensor in tensors)
        if found > kept + others:
            raise ExportError(
                "The exported file must be as sparse as the ticket. It holds "
                f"{found:,} weights that are not zero, the ticket {kept:,}. Nothing "
                "was written."
            )

    def _custom_objects(self) -> Any:
        return by_name(self.options.custom_objects)

    def _sample(
        self, other_data: Any, input_shape: Sequence[int] | None
    ) -> sample.Sample:
        model, given = self.source.model, self.options.data
        data = (given, self.source.data, other_data)
        if input_shape is not None and any(part is not None for part in data):
            raise ValueError(
                "`input_shape` is for an export without data, which have a shape "
                f"themselves. Received: input_shape={input_shape!r}, and data."
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
        except (TypeError, ValueError, tf.errors.OpError) as error:
            if not any(map(sample.is_sparse, self.source.model.inputs)):
                raise
            raise ExportError(
                "An exported file takes dense inputs, and so must each layer of the "
                "model. Received: a model of sparse inputs that fails on dense ones "
                f"with {telling_line(error)}."
            ) from error

    def _latency(self, exported: Loaded, dense: Loaded) -> dict[str, Any] | None:
        if not self.options.latency_runs:
            return None
        one = [array[:1] for array in self.sample.inputs]
        timed: dict[str, Any] = dict(
            latency.compare(
                exported.repeat(one), dense.repeat(one), self.options.latency_runs
            )
        )
        on = f"{exported.backend}, {latency.cpu()}"
        return timed | {"on": on, "runs": self.options.latency_runs}

    def _comparison(
        self, outputs: Sequence[Any], tolerance: float, of_spread: bool
    ) -> dict[str, Any]:
        scores = {}
        if self.source.dense_is_trained:
            dense = runtime.keras_model(self.source.dense).predict(self.sample.inputs)
            scores["dense"] = accuracy(dense, self.sample.labels)
        scores["ticket"] = accuracy(self.wanted, self.sample.labels)
        scores["file"] = accuracy(outputs, self.sample.labels)
        return {
            "sample": str(self.sample),
            "max_difference": largest(outputs, self.wanted),
            "relative_difference": difference(
                outputs, self.wanted, of_spread=of_spread
            ),
            "tolerance": tolerance,
            "argmax_agreement": argmax_agreement(outputs, self.wanted),
            "accuracy": {k: v for k, v in scores.items() if v is not None},
        }

    def _notes(
        self, timed: Mapping[str, Any] | None, check: Mapping[str, Any]
    ) -> list[str]:
        notes = []
        if timed and timed["ratio"] > _FASTER:
            notes.append("This sparsity does not make this backend faster.")
            if timed["ratio_low"] > 1:
                notes.append(
                    f"The file takes {timed['ratio']:.2f} of the dense network's time."
                )
        elif timed and timed["ratio_high"] > 1:
            notes.append(
                "Times varied too much here to say that the file is faster: export it "
                "again on a machine that does nothing else."
            )
        if self._was_in_half:
            notes.append(
                "The model computed in half precision; the file does in float32, and "
                "is compared with the model in float32."
            )
        if not self.source.dense_is_trained:
            notes.append(
                "The dense network's trained weights are not at hand: its file holds "
                "others, of the same number, and its accuracy is not known."
            )
        if any(map(sample.is_sparse, self.source.model.inputs)):
            notes.append(
                "The model was built for sparse inputs; the file was compared on dense "
                "ones of the same values."
            )
        if self.sample.labels is None:
            notes.append(
                "Without labels there is no accuracy: pass `data=(x, y)` (`--recipe`)."
            )
        elif check["accuracy"] and len(self.sample) == sample.SIZE:
            notes.append(
                f"Accuracies are of the first {len(self.sample):,} examples: where "
                "there are more, they may be some tenths of a point off the search's."
            )
        return notes


def _signature(model: Any) -> dict[str, str]:
    """The inputs and outputs by name: type and shape."""
    names = (*model.input_names, *model.output_names)
    tensors = (*model.inputs, *model.outputs)
    return {
        name: f"{tensor.dtype.name} {tuple(tensor.shape)}"
        for name, tensor in zip(names, tensors, strict=True)
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
