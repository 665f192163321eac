"""Shells complete commands, flags and choices by the script of `completion`."""

import os
import shutil
import subprocess

import pytest

from tf_lottery.cli import main as cli
from tf_lottery.cli.command_list import COMMANDS, all_flags
from tf_lottery.cli.completion import script

# What a shell does when TAB is pressed at the end of the words.
BASH = """
eval "$SCRIPT"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_tf_lottery tf_lottery
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
eval "$SCRIPT"
tried() {
  emulate -L sh
  setopt kshglob noshglob braceexpand nounset
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _tf_lottery tf_lottery
  printf '%s\\n' "${COMPREPLY[@]}"
}
tried "$@"
"""
SHELLS = {"bash": ["bash", "-u", "-c", BASH], "zsh": ["zsh", "-c", ZSH]}
CASES = [
    ([""], list(COMMANDS)),
    (["ex"], ["export"]),
    (["find", "--run"], ["--run_dir"]),
    (["find", "r.py", "--rep"], ["--replicates"]),
    (["find", "--overwrite", "--rep"], ["--replicates"]),
    (["show", "-"], ["--debug", "--flagfile", "--help"]),
    (["sweep", "r.py", "--tuner", ""], ["random", "bayesian", "hyperband", "grid"]),
    (["export", "run", "--format", "k"], ["keras"]),
    (["completion", ""], ["bash", "zsh"]),
    (["find", ""], []),  # files, which the shell completes itself
    (["find", "r.py", "--run_dir", ""], []),
    (["nope", "--"], []),
]


def completed(shell, directory, *typed):
    """What a shell offers after these words."""
    command = [*SHELLS[shell], shell, "tf_lottery", *typed]
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "SCRIPT": script(shell), "HOME": str(directory)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    offered = done.stdout.split()
    if shell == "zsh":  # leaves out itself what does not begin as the last word does
        offered = [each for each in offered if each.startswith(typed[-1])]
    return offered


@pytest.fixture(params=SHELLS)
def shell(request):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.mark.parametrize("typed, offered", CASES)
def test_a_shell_offers(shell, tmp_path, typed, offered):
    (tmp_path / "r.py").touch()
    assert completed(shell, tmp_path, *typed) == offered


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shell_offers_every_flag(shell, tmp_path, command):
    flags = all_flags(command)
    off = [f"no-{name}" for name in ("compact", "drop_inputs", "model_card")]
    off *= command == "export"
    names = [*flags, *off, "flagfile", "help"]
    assert completed(shell, tmp_path, command, "--") == [f"--{name}" for name in names]


@pytest.mark.parametrize(
    "value, offered",
    [([], ["layerwise", "global"]), (["g"], ["global"]), (["x"], [])],
)
def test_bash_offers_the_choices_of_a_flag_after_an_equals_sign(
    tmp_path, value, offered
):
    """Which is a word of its own there."""
    typed = ("find", "r.py", "--scope", "=", *value)
    assert completed("bash", tmp_path, *typed) == offered
    typed = ("find", "r.py", "--run_dir", "=", *value)
    assert completed("bash", tmp_path, *typed) == []  # files, as above


def test_a_shell_that_keeps_an_equals_sign_in_a_word_offers_whole_words(
    shell, tmp_path
):
    (tmp_path / "runs").mkdir()
    for typed, offered in (
        ("--scope=g", ["--scope=global"]),
        ("--scope=", ["--scope=layerwise", "--scope=global"]),
        ("--run_dir=r", ["--run_dir=runs"]),
    ):
        assert completed(shell, tmp_path, "find", "r.py", typed) == offered


def test_bash_knows_the_function_of_the_script():
    said = subprocess.run(
        ["bash", "-c", 'eval "$SCRIPT"; complete -p tf_lottery'],
        env={"SCRIPT": script("bash")},
        capture_output=True,
        text=True,
    )
    assert said.stdout == "complete -o default -F _tf_lottery tf_lottery\n"


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_command_prints_the_script(name, capsys):
    cli.main(cli.parse(["tf_lottery", "completion", name]))
    assert capsys.readouterr().out == script(name)
