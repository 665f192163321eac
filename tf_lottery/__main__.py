"""`python -m tf_lottery` is the command `tf_lottery`."""

from tf_lottery.cli.entry import run

run()
