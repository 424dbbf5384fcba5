"""The policies that committed records are about, beside them: results/policies/<identity>/.

A record names what its run made by the sha256 of the weights. Of a policy that lies here the
matches can be played again (`bench check policies`), watched (`bench watch --adversary FOLDER`),
or played elsewhere; of one that does not, its record's command makes it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmark.policies import artifact
from benchmark.policies.policy import NetworkPolicy, Policy
from benchmark.records.record import Record

FOLDER = "policies"


def keep(records: Iterable[Record], made: Iterable[Policy], results: Path) -> None:
    """File those of these networks that some of the records name; scripts are in the code."""
    named = {sha256 for record in records for sha256 in record.artifacts.values()}
    for policy in made:
        if isinstance(policy, NetworkPolicy) and policy.card.sha256 in named:
            artifact.save(policy, results / FOLDER / policy.card.identity[:32])


def kept(results: Path) -> dict[str, Policy]:
    """All that are filed, by the sha256 of their weights; raises BadArtifact for a damaged one."""
    cards = sorted((results / FOLDER).glob(f"*/{artifact.CARD}"))
    loaded = [artifact.load(path.parent) for path in cards]
    return {policy.card.sha256: policy for policy in loaded}
