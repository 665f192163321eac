"""Keras Tuner sweeps over how tickets are found."""

from tf_lottery.tuner.lottery_tuner import LotteryTuner
from tf_lottery.tuner.objectives import lottery_objective
from tf_lottery.tuner.space import choices_of, lottery_space

__all__ = ["LotteryTuner", "choices_of", "lottery_objective", "lottery_space"]
