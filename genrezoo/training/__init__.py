"""Training procedures: ``(model, songs, settings) -> Fitted``, one file each."""

from genrezoo.training.fitted import Fitted, forward

__all__ = ["Fitted", "forward"]
