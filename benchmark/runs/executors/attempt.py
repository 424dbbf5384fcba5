"""One job, here and now: under its lease, with whatever becomes of it as data."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from benchmark.errors import BenchError, InfrastructureError
from benchmark.isolation.status import Verdict
from benchmark.records.leases import lease
from benchmark.runs.boxes import Contained, ContainersLost
from benchmark.runs.executors.agenda import failed
from benchmark.runs.executors.executor import Failure
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.progress import Watch


def attempt(
    worker: Worker, job: Job, watch: Watch, begins: Callable[[], None] = lambda: None
) -> Failure | None:
    """Do a job unless the store has it.

    begins: called when the lease is had and the job is still to be done.

    Raises:
        Taken: another run is at it.
        InfrastructureError: the store is unusable, for this job and for all others. Not so where
            a job's own containers were lost: that is its failure, and no other's.
    """
    with lease(worker.store.root, job.key):
        if worker.store.has(job.key):  # another run ended it while this one waited for the lease
            return None
        begins()
        worker.store.tidy(job.key)
        try:
            worker.run(job, watch)
        except (Contained, ContainersLost) as error:
            return _contained(job, error.verdict)
        except InfrastructureError:
            raise
        except BenchError as error:
            return failed(job, type(error).__name__, str(error))
        except (
            Exception,
            SystemExit,
        ) as error:  # a method is anybody's code; its crash is one cell's failure
            told = f"{type(error).__name__}: {error}"
            return failed(job, "crashed", told, trace=traceback.format_exc())
    return None


def _contained(job: Job, verdict: Verdict) -> Failure:
    """What became of a container, in fields of its own."""
    status = verdict.status
    return failed(job, status.value, verdict.message, status=status, log=verdict.log)
