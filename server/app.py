"""The server's end of the wire: a Flower ServerApp that runs a job (server/rounds.py)."""

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from server.job import Job
from server.rounds import run

_PULL_INTERVAL = 0.003  # seconds


def make_app(job: Job) -> ServerApp:
    """The ServerApp of one job; it reports results through the job's callbacks."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        if hasattr(grid, "pull_interval"):  # the simulation's grid polls every 0.1 s by default: half a round
            grid.pull_interval = _PULL_INTERVAL
        run(grid, job)

    return app
