"""How points get into the store: inputs that are polled, and what clients push."""
