"""What wandb logs, as metrics and facts, wherever it comes from. No I/O."""
