"""What limits look like in a kind, and what the kernel is given of them."""

from typing import Any

import pytest

from musterd.functions import OptionError, Options, agent


def written(**options: Any) -> dict[str, str]:
    """The files of a control group, and what belongs in each."""
    return {limit.file: text for limit, text in Options(name="k", **options).limits().items()}


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("memory_max", "512M", "536870912"),
        ("memory_max", "1048576", "1048576"),
        ("memory_max", "1T", "1099511627776"),
        ("memory_max", "1024T", "1125899906842624"),
        ("cpu_max", "1%", "1000 100000"),
        ("cpu_max", "50%", "50000 100000"),
        ("cpu_max", "250%", "250000 100000"),
        ("pids_max", 1, "1"),
        ("pids_max", 4_194_304, "4194304"),
    ],
)
def test_written_as_the_kernel_reads_it(option: str, value: object, text: str) -> None:
    """Bytes; microseconds in a period of 100 ms; a number."""
    assert list(written(**{option: value}).values()) == [text]


def test_each_has_its_file() -> None:
    """What is not given is not limited."""
    limited = written(memory_max="1G", cpu_max="100%", pids_max=10)
    assert sorted(limited) == ["cpu.max", "memory.max", "pids.max"]
    assert written() == {}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("memory_max", value) for value in (512, "", "M", "512 M", "512m", "1.5G", "-1G", "50%")),
        *(("memory_max", value) for value in ("1023K", "1025T", "99999999999999999", "infinity")),
        *(("cpu_max", value) for value in (50, "50", "0%", "-5%", "1.5%", "100001%", "%", "max")),
        *(("pids_max", value) for value in (0, -1, 4_194_305, "10", 1.5, True)),
    ],
)
def test_refused(option: str, value: object) -> None:
    """The refusal names option and value, and gives an example of what is accepted."""
    with pytest.raises(OptionError, match=rf"^{option}: .* is not accepted; give ") as refused:
        written(**{option: value})
    assert any(example in str(refused.value) for example in ('"512M"', '"50%"', "a whole number"))


def test_a_coroutine_has_no_processes_to_limit() -> None:
    """It is refused where it is marked, with what to do; a plain function may be limited."""

    async def one(ctx: Any) -> None: ...

    def two(ctx: Any) -> None: ...

    with pytest.raises(
        TypeError, match=r"agent 'one': memory_max, pids_max: .*make it a plain def"
    ):
        agent("one", memory_max="1G", pids_max=3)(one)
    assert agent("two", memory_max="1G")(two) is two
