"""A model card for people: Markdown as the Hugging Face Hub shows it.

It says what an export's card and its ticket know. What only the author knows (the
license, the use, the data, the risks) is left as a place marked with AUTHOR.
"""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import atomic
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.export import latency
from tf_lottery.export.card import Card
from tf_lottery.export.front_matter import Score, front_matter
from tf_lottery.export.how_to_run import how_to_run
from tf_lottery.export.markdown import plain, table

_RETRAIN = {
    "lr_rewind": "survivors keep their trained values; learning rate and optimizer "
    "start again",
    "fine_tune": "survivors keep their trained values, and everything continues",
}
_TAGS = {"Keras file": "keras-file", "SavedModel": "saved-model"}


def model_card_of(path: Path) -> Path:
    """Where the model card of a file goes."""
    return path.with_name(f"{path.name}.README.md")


def check_free(path: Path, overwrite: bool) -> None:
    """Raises `FileExistsError` if a model card is there and is not to be replaced."""
    if os.path.lexists(card := model_card_of(path)) and not overwrite:
        raise FileExistsError(
            f"{card} exists, and an author may have completed it. Pass "
            "`overwrite=True` (`--overwrite`) to replace it."
        )


def write(ticket: Ticket, path: Path, card: Card, weights: str) -> Path:
    """Writes the model card of a ticket's file, and returns its path."""
    place = model_card_of(path)
    with atomic(place) as temporary:
        temporary.write_text(model_card(ticket, card, weights), encoding="utf-8")
    return place


def model_card(ticket: Ticket, card: Card, weights: str) -> str:
    """The model card.

    Args:
        ticket: The ticket that was exported.
        card: What was measured on the file.
        weights: "best", "final" or "initial", as for `Ticket.export`.
    """
    scores = _scores(ticket, weights)
    kind = str(card.format["format"])
    keras = "tf-keras" if "tf_keras" in card.versions else "keras"
    library = keras if kind == "Keras file" else None
    tags = [_TAGS.get(kind, kind.lower()), *([] if library else [keras])]
    sections = {
        "Intended use": _author(
            "say what the model is for, who may use it, and what it must not be used "
            "for."
        ),
        "How to run it": how_to_run(card),
        "How it was made": _made(ticket, card),
        "Evaluation": _evaluation(ticket, card, scores, weights),
        "Size": _size(card),
        "Limitations": _limitations(ticket, card, scores),
    }
    if card.notes:
        sections["Notes of the export"] = _notes(card)
    parts = [
        front_matter(card.file, library, tags, _indexed(card, scores)),
        f"# {plain(card.file)}",
        _what(ticket, card),
        *(f"## {title}\n\n{text}" for title, text in sections.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _what(ticket: Ticket, card: Card) -> str:
    of = plain(str((ticket.architecture or {}).get("class_name", "model")))
    return (
        f"A sparse Keras model ({of}), format: {card.format['format']}. It keeps "
        f"{card.kept}; the others are zero. tf_lottery found it by training, pruning "
        "and training again (the [Lottery Ticket "
        "Hypothesis](https://arxiv.org/abs/1803.03635)), wrote the file, ran it, and "
        "compared it with the model."
    )


def _made(ticket: Ticket, card: Card) -> str:
    rows = [("round", f"{ticket.round}: weights were pruned so many times")]
    if ticket.plan:
        rows[0] = ("round", f"{ticket.round} of {ticket.plan.rounds}")
        rows += _planned(ticket.plan, ticket.step)
    rows.append(("weights in the file", card.weights))
    if isinstance(ticket, FoundTicket):
        rows.append(("trained to step", f"{ticket.outcome.last_step:,}"))
        if ticket.reason:
            rows.append(("verdict of the search", ticket.reason))
    rows.append(("versions", ", ".join(f"{k} {v}" for k, v in card.versions.items())))
    rows += [("digest of the masks", card.masks), ("sha256 of the file", card.sha256)]
    data = _author("describe the training data, and name their license.")
    return f"{table(('', ''), rows)}\n\n{data}"


def _planned(plan: Plan, step: int) -> Iterator[tuple[str, str]]:
    others = [f"{path}: {rate:.0%}" for path, rate in plan.layer_rates.items()]
    rate = f"{plan.pruning_rate:.4g} of the surviving weights per round"
    yield "pruning rate", "; ".join([rate, *others])
    ranked = "all layers together" if plan.scope == "global" else "each layer alone"
    yield "pruned by", f"{plan.to_json()['criterion']}, {ranked}"
    if plan.block_size != (1, 1):
        units, inputs = plan.block_size
        yield "blocks", f"{units} units x {inputs} inputs"
    of = "epoch" if plan.steps is None else "step"
    length = plan.epochs if plan.steps is None else plan.steps
    yield "length of a training", f"{length:,} {of}{'s' * (length != 1)}"
    start = "their initial values" if step == 0 else f"their values of step {step:,}"
    rewound = f"survivors get {start} back"
    yield "after pruning", _RETRAIN.get(plan.retrain, rewound)
    yield "searches (replicates)", f"{plan.replicates}, first seed {plan.seed}"


def _evaluation(
    ticket: Ticket, card: Card, scores: Mapping[str, float], weights: str
) -> str:
    parts = []
    if scores:
        dense = _dense(ticket, weights)
        head = ("in the search", "this model", "dense model")
        rows = [
            (name, f"{value:.4f}", f"{dense[name]:.4f}" if name in dense else "-")
            for name, value in scores.items()
        ]
        parts.append(table(head, rows))
    check, same = card.check, card.check["argmax_agreement"]
    measured = [
        *((f"accuracy, {name}", f"{a:.2%}") for name, a in check["accuracy"].items()),
        ("largest difference to the model", f"{check['max_difference']:.3g}"),
        *([("same argmax as the model", f"{same:.2%}")] if same is not None else []),
    ]
    parts.append(table((f"the file, on {check['sample']}", ""), measured))
    return "\n\n".join(parts)


def _size(card: Card) -> str:
    sizes = table(*card.size_table())
    timed = card.latency
    if not timed or latency.is_noisy(timed):
        return sizes
    said = (
        f"One example takes {timed['ratio']:.2f} of the time of the dense model's file "
        f"in this format ({timed['ratio_low']:.2f} to {timed['ratio_high']:.2f}; "
        f"{plain(timed['on'])})."
    )
    return f"{sizes}\n\n{said}"


def _limitations(ticket: Ticket, card: Card, scores: Mapping[str, float]) -> str:
    notes = ["Training this file does not keep its zeros."]
    if not card.latency or latency.is_noisy(card.latency):
        notes.append("Its speed is not known. A sparse file is rarely a faster one.")
    if not any(name.startswith("test_") for name in scores):
        notes.append("There are no test scores of this model.")
    if scores and ticket.plan and ticket.plan.replicates == 1:
        notes.append("One search was made, with one seed: its scores have no interval.")
    asked = _author("say where the model fails, and what its data do not represent.")
    return "\n".join(f"- {note}" for note in [*map(plain, notes), asked])


def _notes(card: Card) -> str:
    asked = _author("these are for you. Use what your readers need, remove the rest.")
    return "\n".join([asked, "", *(f"- {plain(note)}" for note in card.notes)])


def _scores(ticket: Ticket, weights: str) -> dict[str, float]:
    """The validation and test metrics of the weights that were exported."""
    if not isinstance(ticket, FoundTicket) or weights == "initial":
        return {}
    return _of_data(ticket.outcome.metrics, _prefix(weights))


def _dense(ticket: Ticket, weights: str) -> dict[str, float]:
    """The metrics of the dense network of the ticket's own replicate, if it is known.

    A ticket does not say of which replicate it is: the one that has its metrics.
    """
    if not isinstance(ticket, FoundTicket):
        return {}
    found = ticket.rows or (ticket.history.rows() if ticket.history else ())
    rows = [row for row in found if row["control"] is None]
    own = _of_data(ticket.outcome.metrics)
    mine = {
        row["replicate"]
        for row in rows
        if row["round"] == ticket.round and _of_data(row) == own
    }
    dense = [r for r in rows if r["round"] == 0 and mine == {r["replicate"]}]
    return _of_data(dense[0], _prefix(weights)) if dense else {}


def _prefix(weights: str) -> str:
    """How the metrics of these weights are called."""
    return "final_" if weights == "final" else ""


def _of_data(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The metrics with a prefix that are of validation or test data and are numbers."""
    own = {
        name.removeprefix(prefix): value
        for name, value in metrics.items()
        if name.startswith(prefix)
    }
    return {
        name: float(value)
        for name, value in own.items()
        if name.startswith(("val_", "test_"))
        and value is not None
        and math.isfinite(value)
    }


def _indexed(card: Card, scores: Mapping[str, float]) -> list[Score]:
    """What is known of the file: measured on it, or of a model that it equals."""
    found = []
    if "file" in card.check["accuracy"]:
        value = card.check["accuracy"]["file"]
        found.append(Score("accuracy", value, card.check["sample"]))
    if not card.format.get("quantize"):
        for name, value in scores.items():
            kind, _, metric = name.partition("_")
            data = "test" if kind == "test" else "validation"
            found.append(Score(metric, value, f"{data} data of the search"))
    return found


def _author(what: str) -> str:
    return f"**[AUTHOR: {what}]**"
