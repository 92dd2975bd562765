"""A page on this machine to try models on: drop a recording, see its genres and where in it they are.

`page` is the page, `models` what can be tried on it, `upload` what becomes of a file that is dropped, `markup` the
parts that gradio has no component for, and `guard` what the page's server answers to whom.
"""
