"""Activates the hook on import: `import lensd.hook.auto` before `import wandb`, or the line of the `.pth`
file."""

from __future__ import annotations

from .trigger import activate

activate()
