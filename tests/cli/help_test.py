"""The help: a default and an example of each flag, and examples that can be called."""

import ast
import dataclasses
import inspect
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.start_test import FRAMEWORKS, run
from tf_lottery.cli import flags
from tf_lottery.cli.command_list import COMMANDS, all_flags
from tf_lottery.cli.export_flags import EXPORT
from tf_lottery.cli.parsing import parse
from tf_lottery.cli.plan_flags import of_plan
from tf_lottery.cli.sweep_flags import check_sweep
from tf_lottery.core.plan import Plan

SECONDS = 0.5  # of the processor
EVERY_FLAG = [(command, name) for command in COMMANDS for name in all_flags(command)]


def helped(capsys, *command):
    with pytest.raises(SystemExit) as end:
        parse(["tf_lottery", *command, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def in_one_line(text):
    """The text as it was before it was wrapped."""
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_shows_a_default_and_an_example_of_each_flag(command, capsys):
    said = in_one_line(helped(capsys, command))
    for name, flag in all_flags(command).items():
        assert flag.default and flag.text
        assert flag.example or not flag.takes_value
        example = in_one_line(flag.typed(name))
        default = in_one_line(flag.default)
        assert f"(default:{default};example:{example})" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_the_parser_has_no_flag_that_the_help_leaves_out(command, capsys):
    found = set(re.findall(r"^  (--[a-z_]+)", helped(capsys, command), re.MULTILINE))
    assert found - {"--helpfull"} == {f"--{name}" for name in all_flags(command)}


@pytest.mark.parametrize("command, name", EVERY_FLAG)
def test_the_example_of_a_flag_can_be_typed(command, name):
    given = ["bash" if command == "completion" else "r.py"]
    typed = shlex.split(all_flags(command)[name].typed(name))
    arguments = parse(["tf_lottery", command, *given, *typed])
    without = parse(["tf_lottery", command, *given])
    assert getattr(arguments, name) != getattr(without, name)
    if COMMANDS[command].has_plan:
        flags.check(arguments)
    if command == "sweep":
        check_sweep(arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_ends_with_a_call_that_can_be_typed(command, capsys):
    *_, before, call = helped(capsys, command).rstrip().splitlines()
    assert before == "example:"
    assert call == f"  {COMMANDS[command].example}"
    (words,) = re.findall(r"tf_lottery [^()\"]+", call)
    assert parse(shlex.split(words)).command == command


def test_the_help_of_all_shows_first_steps_that_can_be_typed(capsys):
    said = helped(capsys)
    assert all(f"    {command}" in said for command in COMMANDS)
    calls = re.findall(r"^  (tf_lottery .+?)(?:  |$)", said, re.MULTILINE)
    assert [shlex.split(call)[1] for call in calls] == [
        *("init", "find", "show", "export", "find")
    ]
    for call in calls[:-1]:
        parse(shlex.split(call))


@pytest.mark.parametrize("name", of_plan())
def test_the_default_of_a_field_is_that_of_a_plan(name):
    value = getattr(Plan(), name)
    said = of_plan()[name].default
    if value not in (None, (), {}):
        assert said == re.sub("[() ]", "", str(value))
    else:
        assert said != str(value)


def test_the_defaults_of_an_export_are_those_of_its_functions():
    from tf_lottery.export.options import Options
    from tf_lottery.export.to_saved_model import saved_model
    from tf_lottery.export.to_tflite import tflite

    defaults = {each.name: each.default for each in dataclasses.fields(Options)}
    for function in (saved_model, tflite):
        for each in inspect.signature(function).parameters.values():
            defaults[each.name] = each.default
    del defaults["compact"]  # which depends on the format
    for name, flag in EXPORT.items():
        default = defaults.get(name)
        if default is False:
            assert flag.default == "off"
        elif default is not None:
            assert flag.default == str(default)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_takes_half_a_second_and_imports_no_framework(command, tmp_path):
    code = (
        "import sys\nfrom tf_lottery.cli.main import parse\n"
        f"try: parse(['tf_lottery', *{command.split()}, '--help'])\n"
        f"finally: print([*{{*{FRAMEWORKS}}} & {{*sys.modules}}])"
    )
    done, seconds = run(tmp_path, "-c", code)
    assert ast.literal_eval(done.stdout.splitlines()[-1]) == []
    assert seconds < SECONDS


def wrong(capsys, *typed):
    with pytest.raises(SystemExit) as end:
        parse(["tf_lottery", *typed])
    assert end.value.code == 2
    return capsys.readouterr().err


def test_a_wrong_command_is_answered_with_the_nearest_one(capsys):
    said = wrong(capsys, "fnid", "r.py")
    assert "'fnid' is not a command. Did you mean `find`?" in said
    said = wrong(capsys, "zzzz")
    assert "Did you mean" not in said
    assert "The commands are find, init, sweep" in said


def test_a_wrong_flag_is_answered_with_the_nearest_flag_of_its_command(capsys):
    said = wrong(capsys, "export", "r.py", "--rounds=3")
    assert "Did you mean `--round`?" in said
    assert said.startswith("usage: tf_lottery export path [flags]\n")
    assert "Did you mean `--flagfile`?" in wrong(capsys, "find", "r.py", "--flagfil=a")
    said = wrong(capsys, "find", "r.py", "--comand=3")
    assert "--command" not in said.replace("--comand", "")


@pytest.mark.parametrize("typed", ["--no-drop-inputs", "--no_drop_inputs"])
def test_a_switch_can_be_turned_off_by_either_spelling(typed):
    assert parse(["tf_lottery", "export", "run", typed]).drop_inputs is False


def test_no_flag_begins_as_a_switch_that_is_off():
    assert not [name for _, name in EVERY_FLAG if name.startswith("no_")]


def test_a_flag_file_may_use_dashes(tmp_path):
    file = tmp_path / "some.flags"
    file.write_text("# where\n--run-dir=a-b\n--pruning-rate=0.3\n")
    arguments = parse(["tf_lottery", "find", "r.py", f"--flagfile={file}"])
    assert (arguments.run_dir, arguments.pruning_rate) == ("a-b", 0.3)


def test_the_page_of_the_command_line_has_each_command_as_the_help_has():
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{name}` | {command.summary} | `{command.example}` |"
        for name, command in COMMANDS.items()
    ]
