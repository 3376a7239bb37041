"""The one error that the command line reports and exits 1 on."""


class EvaluationError(Exception):
    """Says what is wrong, where, and what to do about it."""
