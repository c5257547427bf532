"""What holds for every test, however the run was started."""

import signal

import pytest

# A job in the background of a script ignores Ctrl-C, and so would all its children: those that must not.
signal.signal(signal.SIGINT, signal.default_int_handler)
pytest.register_assert_rewrite("contract")  # what fails in a contract says with which values, as in a test
