"""`python -m benchmark.submissions.requirements DIR` prints a submission's pins, for pip."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmark.errors import BenchError
from benchmark.submissions import folder


def main(path: Path) -> int:
    """One pin a line; nothing of the submission runs."""
    try:
        pins = folder.read(path).manifest.requirements
    except BenchError as refusal:
        sys.stderr.write(f"bench: {refusal}\n")
        return refusal.exit_code
    sys.stdout.write("".join(f"{pin}\n" for pin in pins))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
