"""Reads runs from a W&B server (the cloud or a self-hosted one) over its GraphQL API."""
