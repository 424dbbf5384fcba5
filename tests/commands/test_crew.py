"""What the options of a cluster come to; the cluster itself is elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.commands.crew import Crew, wish
from benchmark.errors import Misuse


def test_options_of_a_cluster_want_one() -> None:
    """And without any, the jobs are for this machine."""
    assert wish("local", None, "auto", "", None) is None
    asked = wish("ray", "10.0.0.1:6379", "auto", "s3://bucket", ["gpus=1"])
    assert asked is not None
    assert (asked.url, asked.demand.gpus) == ("s3://bucket", 1)
    with pytest.raises(Misuse, match="only with --executor ray"):
        wish("local", None, "auto", "", ["cpus=2"])
    with pytest.raises(Misuse, match="expected local or ray, got 'dask'"):
        wish("dask", None, "auto", "", None)


def test_workers_are_not_for_a_cluster(tmp_path: Path) -> None:
    """Its CPUs say how many jobs there are at once."""
    crew = Crew.of(
        tmp_path, "container", allow_unpinned=False, threads=1, tensorboard=False,
        cluster=wish("ray", None, "auto", "", None),
    )  # fmt: skip
    assert crew.tools.isolation == "container"  # of the nodes; none is looked for here
    assert crew.cluster is not None
    with pytest.raises(Misuse, match="--workers 4: with --executor ray"):
        crew._nodes(crew.cluster, "4", [])
