"""Loading Keras without its backend's greetings."""

from __future__ import annotations

import os
import sys
import tempfile


def load_keras() -> None:
    """Imports Keras while its backend's native libraries cannot write to the terminal.

    TensorFlow's libraries greet on standard error before any setting can reach them; should the import fail, what they
    wrote is shown.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        try:
            os.dup2(said.fileno(), 2)
            import keras  # noqa: F401  # for its side effect
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
