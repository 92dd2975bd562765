"""An executor for tests of what calls do, not of the processes that make them."""

import concurrent.futures
import importlib
import json

from genrezoo.errors import GenrezooError, is_scarce
from genrezoo.parallel import CallExecutor, ChildError


class HereExecutor(CallExecutor):
    """Makes each call at once in this process; arguments and results are JSON, as they are between processes."""

    workers = 1

    def __init__(self, *_, **__):
        pass

    def send(self, order, reads=(), writes=()):
        future = concurrent.futures.Future()
        order = json.loads(json.dumps(order))
        try:
            fn = getattr(importlib.import_module(order["module"]), order["name"])
            future.set_result(json.loads(json.dumps(fn(*order["args"], **order["kwargs"]))))
        except Exception as error:
            known = isinstance(error, GenrezooError)
            future.set_exception(ChildError(str(error), user=known, scarce=is_scarce(error), detail=repr(error)))
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        pass
