"""What stops a run."""


class RunError(RuntimeError):
    """The job did not end well. The message is the cause, in one line."""


class RejectLimitError(RunError):
    """More entries were rejected than the run allows."""


class StatisticsError(RunError):
    """The run is complete, but its statistics cannot be read back."""
