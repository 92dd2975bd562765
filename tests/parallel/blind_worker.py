"""Makes a worker as one on another machine: it does not see the folder ``HIDDEN``, or no folder is writable for it."""

import os
from pathlib import Path


def elsewhere(path):
    """The path on this machine that is another: only what is not hidden is found."""
    return Path(
        "/nowhere/at/all" if os.path.realpath(path).startswith(os.path.realpath(os.environ["HIDDEN"])) else path
    )


def dask_setup(worker):
    from genrezoo.parallel import dask_worker as side

    if "HIDDEN" in os.environ:
        side.Path = elsewhere
    else:
        side.os = type("System", (), {"W_OK": os.W_OK, "path": os.path, "access": staticmethod(lambda *_: False)})
