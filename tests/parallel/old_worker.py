"""Makes a worker as one where another version of the package was installed."""


def dask_setup(worker):
    from genrezoo.parallel import dask_worker as side

    side.installed = lambda: {"genrezoo": "0.0.1"}
