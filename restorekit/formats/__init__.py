"""Shapes of backups that more than one source meets: layouts of names, compression, multi-database dumps."""
