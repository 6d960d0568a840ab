"""What a caller may be told of a run while it goes on. No Beam."""

from alm_beam.storage.run_folder import StagedRun


class Watch:
    """Is told how a run goes on. This one passes over what it is told; a kind of it need not.

    It is called by the process that runs the job, in its main thread.
    """

    def begins_to_write(self, staged: StagedRun) -> None:
        """The run is about to write to this temporary folder."""

    def submits(self, state: str) -> None:
        """The job is handed to where it goes on when this process is ended.

        Args:
            state: what there is to tell of it then.
        """


UNWATCHED = Watch()
"""For whoever wants to be told nothing."""
