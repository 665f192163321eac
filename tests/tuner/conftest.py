from tests.tuner.sweeping import trainer

__all__ = ["trainer"]
