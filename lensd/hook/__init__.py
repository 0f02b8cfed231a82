"""The hook: what a training process loads so that its W&B metrics also reach lensd.

It wraps `wandb.init`, `run.log` and `finish` of whatever wandb is installed, and reports from background
threads. It never blocks training, never raises into it, and changes nothing that wandb itself records.

Standard library only, and relative imports only: `lensd hook install` copies this folder into environments
that have no lensd, where it is called `lensd_hook`. The syntax is that of Python 3.8, the oldest that is
worth a hook.
"""

from __future__ import annotations

from .trigger import activate

__all__ = ["activate"]
