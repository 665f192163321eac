"""`python -m tf_lottery` is the command `tf_lottery`."""

from tf_lottery.cli.main import run

run()
