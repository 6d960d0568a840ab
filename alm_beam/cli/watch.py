"""What a command makes of what it is told of its run."""

from contextlib import AbstractContextManager

from alm_beam.cli.left import RunLeft
from alm_beam.cli.process import Said, note_end
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.run_config import RunConfig
from alm_beam.jobs.watch import ToDo, Watch
from alm_beam.storage.staged_run import StagedRun
from alm_beam.storage.tally import Tally


class CommandWatch(Watch):
    """Tells the process that waits for this one what to do if a signal ends the command."""

    def __init__(self, prog: str, config: RunConfig, how: CommandConfig, elsewhere: str = ""):
        """
        Args:
            prog: the command's name in messages.
            config: of the job.
            how: what the command was told beside.
            elsewhere: where it goes on when this process is ended; empty where it ends with it.
        """
        self._prog = prog
        self.wants_progress = how.progress and not how.quiet
        self._overwrite = config.overwrite
        self._begin = "no job was started; " if elsewhere else ""

    def shown(self, tally: Tally, to_do: ToDo) -> AbstractContextManager[None]:
        """How far the run is, on stderr."""
        from alm_beam.cli.progress import progress

        return progress(self._prog, tally, to_do)

    def begins_to_write(self, staged: StagedRun) -> None:
        """Whoever waits then removes what the next run does not go on with, and says what is in the folder."""
        note_end(RunLeft(staged, self._overwrite, self._begin))

    def submits(self, state: str) -> None:
        """Whoever waits then tells of the job that goes on."""
        note_end(Said(state))
