"""What a card says in sentences: what its user must know before the file is used."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.export import latency, sample
from tf_lottery.export.files import Size
from tf_lottery.export.job import Job
from tf_lottery.export.sample import Sample

DROP = 0.01  # of accuracy; a file that loses more is warned about
AGREEMENT = 0.95  # of the predicted classes; below it there is a warning

_FASTER = 0.95  # of the dense file's time; what is slower is not faster
# By `quantize`, what may bring the accuracy back.
_REMEDIES = {
    "int8": (
        'Try quantize="dynamic" or quantize="float16". Or pass better '
        f"`representative_data=`: its first {sample.CALIBRATION} examples are used, "
        "and must be like those that the file will see, of all classes."
    ),
    "dynamic": 'Try quantize="float16", or leave `quantize` out.',
    "float16": "Leave `quantize` out: the file then computes what the ticket computes.",
    None: (
        "Nothing is quantized: look whether several outputs of the ticket are almost "
        "equal, as rounding then decides the class. Try `compact=False`."
    ),
}


def notes_of(
    job: Job,
    format: Mapping[str, Any],
    timed: Mapping[str, Any] | None,
    check: Mapping[str, Any],
) -> list[str]:
    """The notes on an export; `format`, `timed` and `check` as `Card` has them."""
    notes = [*of_decisions(check, job.sample, format), *of_times(timed)]
    if job.was_in_half:
        notes.append(
            "The model computed in half precision; the file computes in float32, and "
            "is compared with the model in float32."
        )
    if job.computed_by:
        notes.append(
            "TensorFlow wrote the file, and ran it; the outputs that it is compared "
            f"with are those of the model on {job.computed_by}."
        )
    if not job.source.dense_is_trained:
        notes.append(
            "The dense network's trained weights are not available: its file holds "
            "others, of the same number, and its accuracy is not known."
        )
    if job.source.takes_sparse:
        notes.append(
            "The model was built for sparse inputs; the file was compared on dense "
            "ones of the same values."
        )
    if job.sample.labels is None:
        notes.append(
            "Without labels there is no accuracy: pass `data=(x, y)` (`--recipe`)."
        )
    elif check["accuracy"] and len(job.sample) == sample.SIZE:
        notes.append(
            f"Accuracies are of the first {len(job.sample):,} examples: if there are "
            "more, they may be some tenths of a point off the search's."
        )
    return notes


def of_decisions(
    check: Mapping[str, Any], examples: Sample, format: Mapping[str, Any]
) -> list[str]:
    """A warning, and what to do, if a file decides otherwise than its ticket.

    It warns if the accuracy is more than `DROP` below the ticket's, and if the file
    predicts the ticket's class for less than `AGREEMENT` of the examples.
    """
    found, scores, agreement = [], check["accuracy"], check["argmax_agreement"]
    drop = scores["ticket"] - scores["file"] if scores else 0.0
    if drop > DROP + 1e-9:  # 0.98 - 0.97 is a little more than 0.01
        found.append(
            f"The file's accuracy is {drop * 100:.1f} points below the ticket's: "
            f"{scores['file']:.2%} against {scores['ticket']:.2%} on {examples}, "
            "by their labels."
        )
    if agreement is not None and agreement < AGREEMENT:
        found.append(
            "The file predicts another class than the ticket for "
            f"{1 - agreement:.1%} of {examples}."
        )
        if examples.is_random:
            found.append(
                "Real examples may differ less: pass some by `data=` (`--recipe`)."
            )
        elif not scores:
            found.append("Without labels it is not known which of them is right.")
    if not found:
        return []
    remedy = _REMEDIES[format.get("quantize")]
    if format.get("io") == "int8":
        remedy += " Or leave `io` out, as int8 outputs are rounded to 256 values."
    return [" ".join([*found, remedy])]


def of_sizes(
    format: Mapping[str, Any], sizes: Mapping[str, Size], exported: Size
) -> list[str]:
    """What to do if a TFLite file with its zeros stored is smaller once compressed."""
    stripped = sizes["stripped"]
    if format["format"] != "TFLite" or exported.gz <= stripped.gz:
        return []
    return [
        f"Compressed, a file with the zeros stored is smaller ({stripped.gz:,} against "
        f"{exported.gz:,} bytes): for a download pass `sparse=False` "
        "(`--sparse=false`)."
    ]


def of_times(timed: Mapping[str, Any] | None) -> list[str]:
    """What the times of a file say; nothing if it was not timed, or is faster."""
    if timed is None:
        return []
    if latency.is_noisy(timed):
        return [
            "Times varied too much here to say whether the file is faster: export it "
            "again on a machine that does nothing else."
        ]
    notes = []
    if timed["ratio"] > _FASTER:
        notes.append("This sparsity does not make this backend faster.")
        if timed["ratio_low"] > 1:
            notes.append(
                f"The file takes {timed['ratio']:.2f} times as long as the dense "
                "network's file."
            )
    return notes
