"""Restore by difference: rows found, chosen, carried beside live, written in one transaction, and taken back.

shape      how rows of a table are told apart        finding    compare, and remember which rows differ
findings   the file in the sandbox that remembers    costs      what rows, and whole tables, would cost
choosing   a pick becomes a selection                relations  parents, children, unique values, ids used again
picking    what comes along, what stands in the way  telling    conflicts with their values, for who decides
changeset  chosen rows beside live; the way back     setting    as live is now: what is written, what is kept for undo
widening   rows written beside a whole table's set   writing    into live, inside the exchange's transaction, proven
orphans    rows without their parent, before and after
"""
