from tests.evaluation.shades import shades

__all__ = ["shades"]
