"""What stops a run."""

from alm_beam.core.text import visible


class RunError(RuntimeError):
    """The job did not end well. The message is the cause, in one line.

    `alm_beam.run` raises it, or one of its subclasses, after the job has begun. Without `_SUCCESS` the output is not
    complete.

    >>> issubclass(RejectLimitError, RunError)
    True
    """

    def __init__(self, message: str):
        super().__init__(visible(message))


class RejectLimitError(RunError):
    """More entries were rejected than `max_reject_fraction` allows. The message says how many, why, and where they are.

    >>> issubclass(RejectLimitError, RunError)
    True
    """


class StatisticsError(RunError):
    """The run is complete, but its statistics cannot be read back.

    >>> issubclass(StatisticsError, RunError)
    True
    """
