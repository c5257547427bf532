"""Rows of a table one by one: found, chosen, carried beside live, and written there in one transaction."""
