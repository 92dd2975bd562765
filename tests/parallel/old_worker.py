"""Makes a worker as one where another version of the package was installed."""

from genrezoo.parallel import worker

worker.installed = lambda: {"genrezoo": "0.0.1"}
