"""The card of an exported file: what it holds, its size, exactness and speed."""

import dataclasses
import functools
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rich.box
import rich.table
import rich.text

from tf_lottery.core import html
from tf_lottery.core.archive import write_json
from tf_lottery.export import latency
from tf_lottery.export.files import Size, cards_of
from tf_lottery.export.stored import StoredTensor
from tf_lottery.report.console import paper

Rows = Sequence[Sequence[str]]
_UNFOLDED = 100_000  # characters, which no row of Markdown reaches
_FEW = 3  # layers that are named
# The files of `Card.sizes` as the table calls them, and those others are compared with.
_SIZES = {
    "dense_float32": "dense network, float32",
    "dense": "dense network, this format",
    "stripped": "pruned only (zeros stored)",
    "exported": "this file",
}
_BASES = {"dense": "of dense", "dense_float32": "of float32 dense"}


@dataclass(frozen=True, repr=False)
class Card:
    """What an export wrote, measured on the file.

    Attributes:
        file: Its name.
        format: Its format, "SavedModel", "Keras file", "TFLite" or "ONNX", and the
            options of the format.
        weights: Which of the ticket's weights, in words.
        round: The ticket's round; None for a model.
        masks: The digest of the ticket's masks, its first 16 digits.
        signature: The inputs and outputs by name: type and shape.
        ticket_density: The fraction of the prunable weights that the ticket keeps.
        model_density: The fraction of all parameters of the model that is not pruned:
            what cannot be pruned is kept. None on a card of an earlier version, as are
            the next two.
        prunable_weights: How many weights of the model can be pruned.
        parameters: How many parameters the model has, as Keras' `count_params` says.
        sha256: Of the file; of a directory, over names and contents.
        sizes: Bytes of "dense" (the dense network in this format), "stripped" (the
            pruned network with its zeros) and "exported" (this file); for a quantized
            TFLite file also of "dense_float32", the dense network's float32 file.
        tensors: The matrices in the file.
        operators: How often each operator occurs in a TFLite or ONNX file.
        removed: Units removed as "dead" and "constant", and "inputs" dropped, each
            by layer path.
        left: Layers that compaction did not follow, and why.
        macs: Multiply-accumulates of one example: "dense", "nominal" (by weights
            that are not zero) and "executed" by this file; "uncounted" layers.
        check: "sample", "max_difference" of an output, "relative_difference" (as
            `tolerance` of `tflite` says) and its "tolerance", "argmax_agreement", and
            "accuracy" of "dense", "ticket" and "file" if there are labels.
        latency: Of one example: "microseconds", and "dense_microseconds" of the
            dense network's file of the same format, medians of interleaved runs;
            the median "ratio" of the pairs, with "ratio_low" and "ratio_high" (10th
            and 90th percentile); and "on" what it was measured. None: not measured.
            Where `latency.is_noisy` says so, the card says "too noisy to tell".
        rejected: Encodings that were tried and not taken, and why.
        notes: What a user must know, in plain sentences.
        versions: The versions of the packages.
    """

    file: str
    format: Mapping[str, Any]
    weights: str
    round: int | None
    masks: str
    signature: Mapping[str, str]
    ticket_density: float
    sha256: str
    sizes: Mapping[str, Size]
    tensors: Sequence[StoredTensor]
    operators: Mapping[str, int]
    removed: Mapping[str, Mapping[str, int]]
    left: Mapping[str, str]
    macs: Mapping[str, Any]
    check: Mapping[str, Any]
    latency: Mapping[str, Any] | None
    rejected: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    model_density: float | None = None
    prunable_weights: int | None = None
    parameters: int | None = None

    def write(self, path: Path) -> None:
        """Writes the card next to a file, as JSON and Markdown."""
        json_card, markdown = cards_of(path)
        write_json(json_card, self.to_json())
        markdown.write_text(f"{self.to_markdown()}\n")

    @classmethod
    def read(cls, path: Path) -> "Card":
        """The card that was written next to a file."""
        json_card, _ = cards_of(path)
        values = json.loads(json_card.read_text())
        values["sizes"] = {k: Size(**size) for k, size in values["sizes"].items()}
        values["tensors"] = [_tensor(row) for row in values["tensors"]]
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The card as plain values, which the JSON file holds."""
        values = dataclasses.asdict(self)
        for row, tensor in zip(values["tensors"], self.tensors, strict=True):
            row["density"] = tensor.density
        return values

    def to_markdown(self) -> str:
        """The card as Markdown."""
        first = f"# {self.file}\n\n{self._headline()}\n"
        return self._text(first, "## {}", _UNFOLDED, rich.box.MARKDOWN)

    def __repr__(self) -> str:
        size, dense = self.sizes["exported"].raw, self.sizes["dense"].raw
        return (
            f"<Card {self.file}: {self.format['format']}, {size:,} bytes, "
            f"{size / dense:.1%} of the dense file>"
        )

    def __str__(self) -> str:
        """The card for a terminal."""
        return self._text(f"{self.file}: {self._headline()}", "\n{}", 88, None)

    def _repr_html_(self) -> str:
        """What a notebook shows: the card's tables and notes."""
        parts = [html.paragraph(f"{self.file}: {self._headline()}")]
        for name, head, rows in self._tables():
            parts += [html.paragraph(name), html.table(head, rows)]
        return "".join([*parts, *map(html.paragraph, self.notes)])

    def _text(self, first: str, title: str, width: int, box: Any) -> str:
        text = io.StringIO()
        console = paper(text, width)
        show = functools.partial(console.print, highlight=False, markup=False)
        show(first)
        for name, head, rows in self._tables():
            table = rich.table.Table(box=box, show_header=bool(box or any(head)))
            for number, column in enumerate(head):
                right = number and any(head)  # without heads, the second is text
                table.add_column(
                    column, justify="right" if right else "left", overflow="fold"
                )
            for row in rows:
                cells = [cell.replace("|", "/") if box else cell for cell in row]
                table.add_row(*map(rich.text.Text, cells))
            show(title.format(name))
            show(table)
        if self.notes:
            show(title.format("Notes"))
        for note in self.notes:
            show(f"- {note}")
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def _headline(self) -> str:
        options = ", ".join(f"{k} {v}" for k, v in self.format.items() if k != "format")
        how = f" ({options})" if options else ""
        of = "a model" if self.round is None else f"the ticket of round {self.round}"
        return (
            f"{self.format['format']}{how} of {of}, which keeps {self.kept}; "
            f"weights: {self.weights}."
        )

    @property
    def kept(self) -> str:
        """What is kept of the prunable weights and of all parameters, in words."""
        kept = f"{self.ticket_density:.1%} of its"
        if self.model_density is None:
            return f"{kept} prunable weights"
        return (
            f"{kept} {self.prunable_weights:,} prunable weights, "
            f"{self.model_density:.1%} of all {self.parameters:,} parameters"
        )

    def _tables(self) -> list[tuple[str, list[str], Rows]]:
        weights = []
        for each in self.tensors:
            shape = "x".join(map(str, each.shape))
            density = f"{each.density:.1%}"
            weights.append((each.name, shape, each.type, each.encoding, density))
        weights_head = ["", "shape", "type", "encoding", "density"]
        tables: list[tuple[str, list[str], Rows]] = [
            ("Size", *self.size_table()),
            ("Weights in the file", weights_head, weights),
            ("Computation", ["", ""], self._computation_rows()),
            ("Checked on the file", ["", ""], self._check_rows()),
            ("Alternatives tried", ["", ""], list(self.rejected.items())),
        ]
        return [table for table in tables if table[2]]

    def size_table(self) -> tuple[list[str], Rows]:
        """The head and the rows of the table of sizes."""
        found = {key: self.sizes[key] for key in _SIZES if key in self.sizes}
        bases = {_BASES[key]: found[key].raw for key in _BASES if key in found}
        rows = []
        for key, size in found.items():
            parts = [f"{size.raw / base:.1%}" for base in bases.values()]
            rows.append([_SIZES[key], f"{size.raw:,}", f"{size.gz:,}", *parts])
        return ["", "bytes", "gzipped", *bases], rows

    def _computation_rows(self) -> Rows:
        names = {
            "dense": "multiplications, dense",
            "nominal": "by weights that are not 0",
            "executed": "executed by this file",
        }
        rows = [(text, f"{self.macs[key]:,}") for key, text in names.items()]
        if uncounted := ", ".join(self.macs["uncounted"]):
            if not self.macs["dense"]:
                rows = [("multiplications", "not known")]
            rows.append(("not counted", uncounted))
        rows += [
            (f"{kind} removed", ", ".join(f"{n} of {path}" for path, n in by.items()))
            for kind, by in self.removed.items()
            if by
        ]
        if self.left:
            kinds = sorted({*self.left.values()})
            rows += [("not compacted", self._left_by(why)) for why in kinds]
        if self.operators:
            found = ", ".join(f"{name} {n}" for name, n in self.operators.items())
            rows.append(("operators", found))
        return rows

    def _left_by(self, why: str) -> str:
        """The layers that are left for a reason: all of a few, else how many."""
        paths = [path for path, reason in self.left.items() if reason == why]
        few = ", ".join(paths[:_FEW])
        return f"{why}: {few}" + f" and {len(paths) - _FEW} more" * (len(paths) > _FEW)

    def _check_rows(self) -> Rows:
        check = self.check
        rows = [
            ("sample", check["sample"]),
            ("largest difference", f"{check['max_difference']:.3g}"),
            ("root mean square, relative", f"{check['relative_difference']:.2g}"),
        ]
        if check["argmax_agreement"] is not None:
            rows.append(("same argmax", f"{check['argmax_agreement']:.2%}"))
        rows += [
            (f"accuracy, {name}", f"{accuracy:.2%}")
            for name, accuracy in check["accuracy"].items()
        ]
        if self.latency:
            timed = self.latency
            noisy = ", too noisy to tell" if latency.is_noisy(timed) else ""
            rows += [
                (
                    "time of one example",
                    f"{timed['microseconds']:,.1f} us, the dense file's "
                    f"{timed['dense_microseconds']:,.1f} us (medians)",
                ),
                (
                    "ratio",
                    f"{timed['ratio']:.2f} ({timed['ratio_low']:.2f} to "
                    f"{timed['ratio_high']:.2f}; median and deciles of pairs){noisy}",
                ),
                ("timed on", timed["on"]),
            ]
        versions = ", ".join(f"{name} {v}" for name, v in self.versions.items())
        rows += [(name, what) for name, what in self.signature.items()]
        return [*rows, ("versions", versions), ("sha256", self.sha256)]


def _tensor(row: Mapping[str, Any]) -> StoredTensor:
    names = (field.name for field in dataclasses.fields(StoredTensor))
    return StoredTensor(**{n: row[n] for n in names} | {"shape": tuple(row["shape"])})
