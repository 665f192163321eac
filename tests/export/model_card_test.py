"""A model card says what the card and the ticket know, and asks for the rest."""

import dataclasses
import math

import numpy as np
import pytest
import yaml

from tests.export import card_test
from tf_lottery import FoundTicket, Masks, Plan, Ticket
from tf_lottery.core.outcome import Outcome
from tf_lottery.export.formats import export
from tf_lottery.export.how_to_run import how_to_run
from tf_lottery.export.model_card import model_card, model_card_of

card = card_test.card  # the fixture
SECTIONS = [
    *("Intended use", "How to run it", "How it was made", "Evaluation", "Size"),
    *("Limitations", "Notes of the export"),
]
METRICS = {"val_accuracy": 0.97, "test_accuracy": 0.96, "final_test_accuracy": 0.95}
DENSE = {"round": 0, "control": None}
# The ticket is of replicate 1.
ROWS = (
    {**DENSE, "replicate": 0, "val_accuracy": 0.96, "test_accuracy": 0.94},
    {"round": 15, "control": None, "replicate": 0, "val_accuracy": 0.9},
    {
        **DENSE,
        "replicate": 1,
        "val_accuracy": 0.98,
        "test_accuracy": 0.95,
        "final_test_accuracy": 0.93,
    },
    {"round": 15, "control": None, "replicate": 1, **METRICS},
    {"round": 0, "control": "x", "replicate": 1, **METRICS},
)


@pytest.fixture
def ticket():
    plan = Plan(rounds=15, steps=3000, layer_rates={"out": 0.1}, rewind_to=500)
    weights = {"kernel": np.ones((10, 10), np.float32)}
    outcome = Outcome(weights, weights, 2900, 3000, METRICS, {})
    return FoundTicket(
        Masks({"kernel": np.eye(10, dtype=bool)}),
        weights,
        step=500,
        round=15,
        plan=plan,
        architecture={"class_name": "Sequential"},
        outcome=outcome,
        rows=ROWS,
        won=True,
        reason="A winning ticket: 10.0% of the weights.",
    )


def parts(text):
    """The front matter, read by a YAML parser, and the Markdown."""
    empty, front, markdown = text.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front), markdown


def metrics(front):
    return {
        (result["dataset"]["name"], metric["type"]): metric["value"]
        for result in front["model-index"][0]["results"]
        for metric in result["metrics"]
    }


def test_the_front_matter_has_the_tags_and_scores_and_leaves_the_license_open(
    ticket,
    card,
):
    front, _ = parts(model_card(ticket, card, "best"))
    assert "library_name" not in front
    tags = {"pruning", "lottery-ticket", "sparsity", "tflite", "keras"}
    assert tags == {*front["tags"]}
    assert "license" not in front
    assert front["model-index"][0]["name"] == "ticket.tflite"
    assert metrics(front) == {
        ("1,000 examples of test data", "accuracy"): 0.98,
        ("test data of the search", "accuracy"): 0.96,
        ("validation data of the search", "accuracy"): 0.97,
    }


def test_it_says_how_the_file_was_made_and_evaluated_and_marks_what_is_asked_for(
    ticket,
    card,
):
    _, markdown = parts(model_card(ticket, card, "best"))
    titles = [line[3:] for line in markdown.splitlines() if line.startswith("## ")]
    assert titles == SECTIONS
    for said in (
        *(
            "A sparse Keras model (Sequential), format: TFLite",
            "15 of 15",
            "3,000 steps",
        ),
        *(
            "0.2 of the surviving weights per round; out: 10%",
            "values of step 500 back",
        ),
        *("magnitude, each layer alone", "A winning ticket: 10.0%", "1, first seed 0"),
        *("| val_accuracy | 0.9700 | 0.9800 |", "| test_accuracy | 0.9600 | 0.9500 |"),
        *("| accuracy, file | 98.00% |", "| this file | 61,000 | 50,000 | 6.1% |"),
        "This sparsity does not make this backend faster.",
        *("One search was made, with one seed", "ab" * 32, "0123456789abcdef"),
    ):
        assert said in markdown
    assert markdown.count("**[AUTHOR: ") == 4


def test_the_scores_are_those_of_the_weights_that_were_exported(ticket, card):
    _, final = parts(model_card(ticket, card, "final"))
    assert "| test_accuracy | 0.9500 | 0.9300 |" in final
    for written in (
        model_card(ticket, card, "initial"),
        model_card(Ticket(ticket.masks, ticket.state), card, "initial"),
    ):
        assert "test_accuracy" not in written
        assert "There are no test scores" in written


def test_scores_of_the_search_are_not_those_of_a_quantized_file(ticket, card):
    quantized = {**card.format, "quantize": "int8"}
    front, _ = parts(
        model_card(ticket, dataclasses.replace(card, format=quantized), "best")
    )
    assert metrics(front) == {("1,000 examples of test data", "accuracy"): 0.98}


def test_without_scores_there_is_no_model_index(ticket, card):
    check = {**card.check, "accuracy": {}}
    outcome = dataclasses.replace(ticket.outcome, metrics={"val_loss": math.nan})
    front, _ = parts(
        model_card(
            dataclasses.replace(ticket, outcome=outcome),
            dataclasses.replace(card, check=check),
            "best",
        )
    )
    assert "model-index" not in front


def test_text_of_a_file_steers_neither_the_front_matter_nor_a_table(ticket, card):
    name = 'a"\\|\n---\nlicense: mit <b>\x1b\x85'
    metric = {f"test_{name}": 1e-9}
    hostile = dataclasses.replace(
        ticket,
        outcome=dataclasses.replace(ticket.outcome, metrics=metric),
        reason=name,
        architecture={"class_name": name},
    )
    written = model_card(hostile, dataclasses.replace(card, file=name), "best")
    front, markdown = parts(written)
    assert "license" not in front
    assert set(metrics(front).values()) == {0.98, 1e-9}
    assert "\nlicense" not in markdown
    assert "<b>" not in markdown.replace(how_to_run(card), "").split("```")[2]
    assert "\x1b" not in written


@pytest.mark.parametrize("kind", ["Keras file", "SavedModel", "TFLite", "ONNX"])
def test_each_format_has_code_that_python_can_read(card, kind):
    of_kind = dataclasses.replace(card, format={"format": kind})
    code = how_to_run(of_kind).split("```")[1].removeprefix("python\n")
    compile(code, kind, "exec")
    assert '"ticket.tflite"' in code


def test_a_model_card_that_is_there_is_kept_before_anything_is_written(
    ticket, tmp_path
):
    path = tmp_path / "ticket.keras"
    model_card_of(path).write_text("mine")
    with pytest.raises(FileExistsError, match=r"ticket\.keras\.README\.md exists"):
        export(ticket, path, None, "best", model_card=True)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["mine"]
