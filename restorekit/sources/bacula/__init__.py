"""A Bacula or Bareos tape library as a source: the catalog says what there is, the director restores it."""
