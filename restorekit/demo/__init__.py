"""A self-contained lab with customers, backups and an accident; the story is told by the command line."""
