"""Verbs: value in, value out. No step knows another."""
