"""Only safe calls are repeated, only after temporary errors, and never for ever."""

import inspect

import pytest

from restorekit import ports
from restorekit.errors import ConfigError, SourceUnavailable
from restorekit.retry import SAFE, retrying


class Flaky:
    """A source that fails a number of times before it answers."""

    name = "flaky"

    def __init__(self, failures, error=SourceUnavailable) -> None:
        self.left = failures
        self.error = error

    def _answer(self):
        if self.left:
            self.left -= 1
            raise self.error(f"{self.left} failures left")
        return "an answer"

    def scan(self, known):
        return f"{self._answer()} to {known}"

    def deliver(self, point, watch):
        return self._answer()


@pytest.fixture
def patient():
    return lambda port: retrying(port, longest_wait_s=0.01)


def test_a_safe_call_survives_two_temporary_failures(patient):
    assert patient(Flaky(2)).scan(known="a question") == "an answer to a question"


def test_the_third_failure_passes_through_unchanged(patient):
    flaky = Flaky(5)
    with pytest.raises(SourceUnavailable, match="2 failures left"):
        patient(flaky).scan(())
    assert flaky.left == 2


def test_a_permanent_error_is_not_repeated(patient):
    flaky = Flaky(1, ConfigError)
    with pytest.raises(ConfigError):
        patient(flaky).scan(())
    assert patient(flaky).scan(()) == "an answer to ()"


def test_an_error_of_nobody_in_this_house_is_not_repeated(patient):
    flaky = Flaky(1, KeyError)
    with pytest.raises(KeyError):
        patient(flaky).scan(())
    assert flaky.left == 0


def test_a_stream_is_never_repeated(patient):
    flaky = Flaky(1)
    with pytest.raises(SourceUnavailable):
        patient(flaky).deliver(None, None)
    assert flaky.left == 0


def test_everything_else_is_handed_through(patient):
    assert patient(Flaky(0)).name == "flaky"
    with pytest.raises(AttributeError):
        patient(Flaky(0)).no_such_method  # noqa: B018


def test_the_list_says_what_the_ports_promise():
    """A method becomes repeatable by its docstring and the list together, never by one alone."""
    protocols = [ports.Source, ports.Sandboxing, ports.Loading, ports.Describing, ports.Comparing, ports.Exchanging]
    promised = {
        name
        for protocol in [*protocols, ports.Capturing]
        for name, method in vars(protocol).items()
        if inspect.isfunction(method) and "safe to repeat" in (method.__doc__ or "").lower()
    }
    assert promised - {"load"} == SAFE
