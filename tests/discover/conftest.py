from .watching import naps

__all__ = ["naps"]
