"""Backups that lie as files in a folder: a directory on a disk, or a snapshot of one."""
