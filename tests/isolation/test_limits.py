"""The engine's options, and what they are made from."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from benchmark.isolation.limits import MIB, PAGE_BYTES, Limits, options, volume_options


def test_every_hardening_is_asked_for() -> None:
    """Each by the name that the SDK gives it."""
    limits = Limits(wall_s=9, memory_mib=128, cores=(1, 3), processes=7, open_files=99, tmp_mib=5)
    asked = options(limits, "PROFILE")
    assert asked["network_mode"] == "none"
    assert asked["read_only"] is True
    assert asked["privileged"] is False
    assert asked["cap_drop"] == ["ALL"]
    assert set(asked["security_opt"]) == {"no-new-privileges", "seccomp=PROFILE"}
    assert asked["user"] == "10001:10001"
    assert asked["mem_limit"] == asked["memswap_limit"] == 128 * MIB
    assert asked["nano_cpus"] == 2 * 10**9
    assert asked["cpuset_cpus"] == "1,3"
    assert asked["pids_limit"] == 7
    assert {u.name: u.hard for u in asked["ulimits"]} == {
        "nofile": 99, "nproc": 4096, "core": 0, "msgqueue": 0,
    }  # fmt: skip
    assert asked["tmpfs"]["/tmp"].startswith("size=5m,nosuid,nodev,noexec")
    assert asked["ipc_mode"] == "private"
    assert asked["use_config_proxy"] is False
    assert asked["log_config"].config == {"max-size": "8m", "max-file": "1"}


def test_a_container_gets_the_cores_of_this_process() -> None:
    """Also where that was bound to some of them."""
    assert set(Limits(wall_s=1).cores) == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    "wrong", [{"wall_s": 0}, {"memory_mib": 1}, {"cores": ()}, {"processes": 0}, {"cpu": 1}]
)
def test_limits_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    """Zero means unlimited to some engines."""
    with pytest.raises(ValidationError):
        Limits.model_validate({"wall_s": 1, **wrong})


def test_a_shared_volume_is_bounded_in_bytes_and_files() -> None:
    """And belongs to the containers' user."""
    made = volume_options(3)
    assert made["type"] == "tmpfs"
    assert {
        f"nr_blocks={3 * MIB // PAGE_BYTES}",
        "nr_inodes=192",
        "uid=10001",
        "mode=0770",
        "noexec",
        "nosuid",
    } <= set(made["o"].split(","))
