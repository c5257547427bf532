"""SQLite: a folder of database files."""
