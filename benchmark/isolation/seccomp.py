"""The system calls that a container may make: an allow-list, written here group by group.

What an interpreter with threads, files, subprocesses and local sockets needs, and no more. Engines
allow some hundred calls besides by default; left out here are those that no numerical program
needs and that have been ways out of containers or into the kernel: AF_VSOCK, AF_NETLINK and every
other family that no network namespace covers, io_uring, ptrace and the other ways into another
process's memory, keyrings, bpf, userfaultfd, mounts, new namespaces, splicing, System V queues.
"""

from __future__ import annotations

import socket
from typing import Any

EPERM, ENOSYS = 1, 38

FILES = """
    access chdir chmod close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync flock
    fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 ioctl lchown chown link
    linkat lseek lstat mkdir mkdirat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64
    pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2 rmdir
    sendfile stat statfs statx symlink symlinkat sync sync_file_range syncfs truncate umask unlink
    unlinkat utime utimensat utimes write writev
    getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
"""
MEMORY = """
    brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap msync
    munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
"""
PROCESSES = """
    arch_prctl capget capset execve execveat exit exit_group fork getpgid getpgrp getpid getppid
    getpriority getrlimit getrusage getsid gettid kill pidfd_open pidfd_send_signal prctl prlimit64
    restart_syscall rseq sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity
    sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list get_robust_list
    set_tid_address setpgid setpriority setrlimit setsid tgkill tkill times vfork wait4 waitid
    futex futex_waitv futex_wait futex_wake futex_requeue getcpu
    getegid geteuid getgid getgroups getresgid getresuid getuid
    setgid setgroups setregid setresgid setresuid setreuid setuid setfsgid setfsuid
"""
SIGNALS = """
    pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4
"""
CLOCKS = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer
    time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
    timerfd_gettime timerfd_settime
"""
WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
    pipe pipe2 poll ppoll pselect6 select
"""
SOCKETS = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg
    sendmmsg sendmsg sendto setsockopt shutdown
"""
SYSTEM = "getrandom sysinfo uname"
ALLOWED = tuple(
    sorted(" ".join((FILES, MEMORY, PROCESSES, SIGNALS, CLOCKS, WAITING, SOCKETS, SYSTEM)).split())
)
"""Allowed whatever their arguments are. A name that this machine's processor lacks is ignored."""

INTERNET = (socket.AF_INET, socket.AF_INET6)
"""With no network these reach the container's own loopback and nothing else."""

PROTOCOLS = (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP)
"""Of the internet families; the kernel's others (SCTP, DCCP, MPTCP, raw) stay closed."""

NEW_NAMESPACES = 0x7E020000
"""clone's flags CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET together."""

PLAIN_PERSONALITIES = (0x0, 0xFFFFFFFF)
"""Linux as it is, and the question which one is set."""


def profile() -> dict[str, Any]:
    """The profile in the engines' JSON form.

    No architectures are listed: an engine then filters the machine's own, and the kernel kills what
    calls in through another (32-bit calls on a 64-bit machine have other numbers).
    """
    unix = _rule("socket", _equal(0, socket.AF_UNIX))
    internet = [
        _rule("socket", _equal(0, family), _equal(2, protocol))
        for family in INTERNET
        for protocol in PROTOCOLS
    ]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "syscalls": [
            {"names": list(ALLOWED), "action": "SCMP_ACT_ALLOW", "args": []},
            unix,
            *internet,
            _rule("socketpair", _equal(0, socket.AF_UNIX)),
            *(_rule("personality", _equal(0, value)) for value in PLAIN_PERSONALITIES),
            _rule("clone", _masked(0, NEW_NAMESPACES, 0)),
            # Its flags lie in memory, where no filter reads them. Told that there is no such call,
            # the C library makes threads with clone.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS, "args": []},
        ],
    }  # fmt: skip


def _rule(name: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    """Allowed where all conditions hold; engines join several rules of one name by or."""
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": list(conditions)}


def _equal(index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": int(value), "valueTwo": 0, "op": "SCMP_CMP_EQ"}


def _masked(index: int, mask: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
