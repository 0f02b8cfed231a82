"""How points get into the store: inputs that are polled, and data that clients push."""
