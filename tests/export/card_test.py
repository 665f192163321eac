"""The card says what was measured, in every form the same."""

import dataclasses
import json

import pytest

from tf_lottery.export.card import Card
from tf_lottery.export.files import Size
from tf_lottery.export.stored import StoredTensor


@pytest.fixture
def card():
    return Card(
        file="ticket.tflite",
        format={"format": "TFLite", "quantize": None, "encoding": "zeros left out"},
        weights="best, at minimum validation loss",
        round=15,
        masks="0123456789abcdef",
        signature={"image": "float32 (None, 28, 28, 1)", "out": "float32 (None, 10)"},
        ticket_density=0.036,
        sha256="ab" * 32,
        sizes={
            "dense": Size(1_000_000, 900_000),
            "stripped": Size(1_000_000, 55_000),
            "exported": Size(61_000, 50_000),
        },
        tensors=[StoredTensor("kernel", (300, 784), "float32", "sparse", 9000, 9000)],
        operators={"DENSIFY": 1, "FULLY_CONNECTED": 1},
        removed={"dead": {"dense_300": 11}, "constant": {}, "inputs": {}},
        left={"double": "Double is not followed"},
        macs={"dense": 266_200, "nominal": 9_537, "executed": 227_120, "uncounted": []},
        check={
            "sample": "1,000 examples of test data",
            "max_difference": 5.72e-06,
            "relative_difference": 7.2e-08,
            "tolerance": 1e-5,
            "argmax_agreement": 0.999,
            "accuracy": {"dense": 0.981, "ticket": 0.98, "file": 0.98},
        },
        latency={
            "microseconds": 16.4,
            "dense_microseconds": 19.1,
            "ratio": 0.86,
            "ratio_low": 0.84,
            "ratio_high": 0.88,
            "runs": 50,
            "on": "one thread",
        },
        rejected={"blocks of 1x4": "is larger, 121,460 bytes"},
        notes=["This sparsity does not make this backend faster."],
        versions={"tensorflow": "2.21.0"},
        model_density=0.0374,
        prunable_weights=266_200,
        parameters=266_610,
    )


@pytest.fixture
def quantized(card):
    """The card of an int8 file, which is compared with two dense files."""
    sizes = {
        "dense": Size(280_000, 250_000),
        "dense_float32": Size(1_000_000, 900_000),
        "stripped": Size(280_000, 30_000),
        "exported": Size(70_000, 20_000),
    }
    return dataclasses.replace(card, sizes=sizes)


FACTS = [
    *("ticket.tflite", "round 15", "minimum validation loss", "ab" * 32),
    "3.6% of its 266,200 prunable weights, 3.7% of all 266,610 parameters",
    *("1,000,000", "61,000", "6.1%", "50,000", "300x784", "sparse", "3.8%"),
    *("266,200", "9,537", "227,120", "11 of dense_300", "Double is not followed"),
    *("DENSIFY 1", "1,000 examples of test data", "5.72e-06", "99.90%", "98.10%"),
    *("16.4 us", "19.1 us", "float32 (None, 28, 28, 1)"),
    *(
        "0.86 (0.84 to 0.88; median and deciles of pairs)",
        "blocks of 1x4",
        "121,460",
        "does not make this backend",
    ),
]


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_is_on_the_card_in_text_and_in_markdown(card, fact):
    for text in (card.to_markdown(), str(card)):
        assert "".join(fact.split()) in "".join(text.split())  # lines may break


def test_a_card_is_the_same_text_in_a_notebook(card, request):
    texts = str(card), card.to_markdown()
    request.getfixturevalue("notebook")
    assert (str(card), card.to_markdown()) == texts


def test_the_repr_of_a_card_is_one_short_line(card):
    assert repr(card) == (
        "<Card ticket.tflite: TFLite, 61,000 bytes, 6.1% of the dense file>"
    )


def test_json_has_every_field(card):
    values = json.loads(json.dumps(card.to_json()))
    assert values.keys() == {field.name for field in dataclasses.fields(Card)}
    assert values["tensors"][0]["density"] == pytest.approx(9000 / (300 * 784))


def test_a_card_is_read_as_it_was_written(card, tmp_path):
    card.write(tmp_path / card.file)
    assert Card.read(tmp_path / card.file) == card


def test_a_card_without_the_density_of_the_model_is_read(card, tmp_path):
    card.write(tmp_path / card.file)
    file = tmp_path / f"{card.file}.card.json"
    values = json.loads(file.read_text())
    for name in ("model_density", "prunable_weights", "parameters"):
        del values[name]
    file.write_text(json.dumps(values))
    old = Card.read(tmp_path / card.file)
    assert old.model_density is None
    for text in (str(old), old.to_markdown(), old._repr_html_()):
        assert "keeps 3.6% of its prunable weights;" in " ".join(text.split())


def rows(card):
    """The cells of the table of sizes, by the first of each row."""
    table = card.to_markdown().partition("## Size")[2].partition("##")[0]
    lines = [line.split("|")[1:-1] for line in table.splitlines() if "|" in line]
    return {first.strip(): [c.strip() for c in cells] for first, *cells in lines}


def test_a_quantized_file_is_compared_with_float32_and_with_its_own_format(quantized):
    found = rows(quantized)
    assert found[""] == ["bytes", "gzipped", "of dense", "of float32 dense"]
    assert found["this file"] == ["70,000", "20,000", "25.0%", "7.0%"]
    assert found["dense network, float32"][-1] == "100.0%"
    assert found["dense network, this format"][2:] == ["100.0%", "28.0%"]
    assert max(map(len, str(quantized).splitlines())) <= 88


def test_a_float32_file_is_compared_once(card):
    found = rows(card)
    assert found[""] == ["bytes", "gzipped", "of dense"]
    assert "dense network, float32" not in found


@pytest.mark.parametrize(
    ("low", "high", "noisy"),
    [(0.9, 1.06, True), (0.96, 1.04, False), (0.2, 0.99, False), (1.01, 3, False)],
)
def test_times_that_are_too_noisy_are_said_to_be(card, low, high, noisy):
    timed = {**card.latency, "ratio_low": low, "ratio": 0.98, "ratio_high": high}
    noted = dataclasses.replace(card, latency=timed)
    for text in (str(noted), noted.to_markdown(), noted._repr_html_()):
        assert ("too noisy to tell" in " ".join(text.split())) == noisy


def test_what_was_not_measured_is_not_on_the_card(card):
    bare = dataclasses.replace(
        card,
        latency=None,
        rejected={},
        notes=(),
        check={**card.check, "accuracy": {}, "argmax_agreement": None},
    )
    for text in (str(bare), bare.to_markdown()):
        for absent in ("one example", "accuracy", "argmax", "Alternatives", "Notes"):
            assert absent not in text


def test_a_bar_in_a_name_does_not_break_a_table(card):
    tensor = dataclasses.replace(card.tensors[0], name="a|b")
    lines = dataclasses.replace(card, tensors=[tensor]).to_markdown().splitlines()
    (row,) = (line for line in lines if "a/b" in line)
    assert row.count("|") == 6


def test_lines_fit_a_terminal(card):
    assert max(map(len, str(card).splitlines())) <= 88


def test_brackets_and_colours_are_no_markup(card, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    tensor = dataclasses.replace(card.tensors[0], name="a[b]")
    named = dataclasses.replace(card, tensors=[tensor])
    for text in (str(named), named.to_markdown()):
        assert "a[b]" in text and "\x1b" not in text


def test_a_notebook_shows_every_row_of_the_card(card):
    shown = dataclasses.replace(card, notes=["4 < 5"])._repr_html_()
    for fact in ("ticket.tflite: TFLite", "61,000", "99.90%", "4 &lt; 5"):
        assert fact in shown


def test_there_is_a_line_for_each_reason_why_layers_are_not_compacted(card):
    paths = [f"block_{number}" for number in range(17)]
    left = {"a": "called more than once"} | dict.fromkeys(paths, "Mine is not followed")
    text = str(dataclasses.replace(card, left=left))
    lines = [line for line in text.splitlines() if "not compacted" in line]
    assert len(lines) == 2 and "Mine is not followed: block_0, block_1" in lines[0]
    assert "and 14 more" in " ".join(text.split())
    assert "called more than once: a" in lines[1]
