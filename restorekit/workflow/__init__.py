"""The order of the steps, and how it survives a crash."""
