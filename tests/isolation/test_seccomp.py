"""The profile of system calls, read the way an engine reads it."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.isolation.seccomp import ALLOWED, ENOSYS, EPERM, profile

FORBIDDEN = """
    io_uring_setup io_uring_enter io_uring_register ptrace process_vm_readv process_vm_writev
    process_madvise pidfd_getfd kcmp add_key request_key keyctl bpf userfaultfd perf_event_open
    mount umount umount2 move_mount open_tree fsopen fsmount fsconfig fspick mount_setattr
    pivot_root chroot unshare setns open_by_handle_at name_to_handle_at init_module finit_module
    delete_module kexec_load kexec_file_load reboot swapon swapoff iopl ioperm modify_ldt acct
    quotactl settimeofday clock_settime clock_adjtime adjtimex syslog vhangup lookup_dcookie
    fanotify_init nfsservctl mbind set_mempolicy move_pages migrate_pages memfd_secret
    splice tee vmsplice socketcall ipc shmget shmat semget msgget mq_open mknod mknodat
"""
THREAD = 0x3D0F00  # what the C library passes to clone for a thread
FORK = 0x1200011
NEW_USER, NEW_NET, NEW_NS = 0x10000000, 0x40000000, 0x00020000
AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK = 16, 17, 38, 40
SCTP, MPTCP = 132, 262


def decide(name: str, *arguments: int) -> int:
    """0 if the call is allowed, else the error it gets: conditions of a rule hold together, and
    one rule that matches is enough."""
    rules = profile()
    for rule in rules["syscalls"]:
        if name in rule["names"] and all(holds(c, arguments) for c in rule["args"]):
            return 0 if rule["action"] == "SCMP_ACT_ALLOW" else int(rule["errnoRet"])
    assert rules["defaultAction"] == "SCMP_ACT_ERRNO"
    return int(rules["defaultErrnoRet"])


def holds(condition: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    """One condition on one argument."""
    value = arguments[condition["index"]]
    if condition["op"] == "SCMP_CMP_EQ":
        return value == condition["value"]
    assert condition["op"] == "SCMP_CMP_MASKED_EQ"
    return value & condition["value"] == condition["valueTwo"]


@pytest.mark.parametrize("name", FORBIDDEN.split())
def test_ways_out_are_not_on_the_list(name: str) -> None:
    """Nowhere, with no arguments."""
    assert decide(name, 0, 0, 0) == EPERM


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_sockets_of_three_families_only(family: int, protocol: int) -> None:
    """Whatever number is tried."""
    allowed = family == socket.AF_UNIX or (
        family in (socket.AF_INET, socket.AF_INET6) and protocol in (0, 6, 17)
    )
    assert (decide("socket", family, 1, protocol) == 0) is allowed


@pytest.mark.parametrize("family", [AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK])
def test_families_that_no_network_namespace_covers_are_closed(family: int) -> None:
    """AF_VSOCK would reach the machine's hypervisor."""
    assert decide("socket", family, 1, 0) == EPERM


def test_what_programs_need_is_open() -> None:
    """Local sockets, the loopback, threads, forks."""
    assert decide("socket", socket.AF_UNIX, 1, 0) == 0
    assert decide("socket", socket.AF_INET, 1, socket.IPPROTO_TCP) == 0
    assert decide("socketpair", socket.AF_UNIX, 1, 0) == 0
    assert decide("clone", THREAD) == decide("clone", FORK) == 0
    assert decide("personality", 0xFFFFFFFF) == 0


@pytest.mark.parametrize("flag", [NEW_USER, NEW_NET, NEW_NS])
def test_no_new_namespaces(flag: int) -> None:
    """By clone, also together with harmless flags."""
    assert decide("clone", flag | FORK) == EPERM


def test_clone3_is_told_to_be_missing() -> None:
    """So that the C library falls back on clone, whose flags can be read."""
    assert decide("clone3", 0) == ENOSYS


def test_other_protocols_are_closed() -> None:
    """They are code of the kernel that is seldom used."""
    assert decide("socket", socket.AF_INET, 1, SCTP) == EPERM
    assert decide("socket", socket.AF_INET, 1, MPTCP) == EPERM


def test_the_profile_is_json_and_names_nothing_twice() -> None:
    """And no architecture but the machine's own."""
    rules = json.loads(json.dumps(profile()))
    assert len(set(ALLOWED)) == len(ALLOWED) > 200
    assert not {"architectures", "archMap"} & set(rules)
    conditional = {rule["names"][0] for rule in rules["syscalls"][1:]}
    assert not conditional & set(ALLOWED)
