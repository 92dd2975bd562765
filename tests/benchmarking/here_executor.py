"""Runs the cells of a benchmark in this process, so that none of them has to import TensorFlow anew."""

from __future__ import annotations

import concurrent.futures
import json

from genrezoo import parallel
from genrezoo.errors import GenrezooError


class HereExecutor(concurrent.futures.Executor):
    """Runs each call at once; arguments and results are JSON, as they are between processes."""

    def __init__(self, workers, *, threads=None):
        self.workers = workers

    def submit(self, fn, /, *args):
        future = concurrent.futures.Future()
        try:
            future.set_result(json.loads(json.dumps(fn(*json.loads(json.dumps(args))))))
        except Exception as error:
            known = isinstance(error, GenrezooError)
            future.set_exception(parallel.ChildError(str(error), user=known, detail=repr(error)))
        return future
