"""All jobs in this process, one after the other."""

from __future__ import annotations

import traceback

from benchmark.errors import BenchError, InfrastructureError
from benchmark.isolation.status import Verdict
from benchmark.runs.boxes import Contained, ContainersLost
from benchmark.runs.executors.executor import Display, Failure
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker


class LocalExecutor:
    """Does what the store lacks. A failed job fails those that need it, and no others."""

    def __init__(self, worker: Worker):
        self.worker = worker

    def run(self, jobs: list[Job], display: Display) -> list[Failure]:
        """See `Executor`. An InfrastructureError ends the run, since nothing could be kept.

        Not so where a job's own containers were lost: that is this job's failure, and no other's.
        """
        failures: dict[str, Failure] = {}
        for job in jobs:
            blocked = next((failures[key] for key in job.needs if key in failures), None)
            if self.worker.store.has(job.key):
                display.finish(job, None)
            elif blocked is not None:
                failures[job.key] = _failure(job, "blocked", f"needs '{blocked.label}'")
                display.finish(job, failures[job.key])
            else:
                failure = self._attempt(job, display)
                if failure is not None:
                    failures[job.key] = failure
        return list(failures.values())

    def _attempt(self, job: Job, display: Display) -> Failure | None:
        display.start(job)
        failure = None
        try:
            self.worker.run(job, lambda steps, tally: display.step(job, steps, tally))
        except (Contained, ContainersLost) as error:
            failure = _contained(job, error.verdict)
        except InfrastructureError:
            raise
        except BenchError as error:
            failure = _failure(job, type(error).__name__, str(error))
        except (
            Exception,
            SystemExit,
        ) as error:  # a method is anybody's code; its crash is one cell's failure
            failure = _failure(job, "crashed", f"{type(error).__name__}: {error}").model_copy(
                update={"trace": traceback.format_exc()}
            )
        display.finish(job, failure)
        return failure


def _contained(job: Job, verdict: Verdict) -> Failure:
    """What became of a container, in fields of its own."""
    return _failure(job, verdict.status.value, verdict.message).model_copy(
        update={"status": verdict.status, "log": verdict.log}
    )


def _failure(job: Job, kind: str, message: str) -> Failure:
    return Failure(job=job.key, label=job.label, kind=kind, message=message)
