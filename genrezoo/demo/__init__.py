"""A web page on this machine to try models: drop a recording and see its genres, as a whole and over time.

`page` builds and serves the page, `models` opens its models, `upload` predicts uploaded files, `markup` renders parts
that gradio has no component for, and `guard` refuses requests that the page does not need.
"""
