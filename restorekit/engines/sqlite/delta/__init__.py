"""Restore by difference: rows found, chosen, carried beside live, written in one transaction, and taken back.

shape       how rows of a table are told apart, and what they point at
findings    which rows differ and which of them are chosen: a file in the sandbox
finding     compare and remember
choosing    closing conflicts: from a pick to rows
changeset   chosen rows with their values beside live; the way back has the same shape
applying    a change set into live, inside the exchange's transaction
"""
