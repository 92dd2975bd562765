"""``python -m genrezoo``: the same as the command ``genrezoo``."""

from genrezoo.cli import main

main()
