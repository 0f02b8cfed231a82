"""Reads runs from a W&B server (the cloud, or one of one's own) over its GraphQL API."""
