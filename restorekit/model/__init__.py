"""Nouns: frozen values without I/O, one file each."""
