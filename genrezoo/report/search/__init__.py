"""The report on a search, from its journal alone."""
