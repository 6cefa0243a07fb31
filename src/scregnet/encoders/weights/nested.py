"""How deeply a pickle nests tuples, found without reading it."""

from __future__ import annotations

import pickle
import pickletools
from typing import IO, Any

DEEPEST = 100
"""Far more than tensors need. Python itself ends where it hashes some 100,000 nested tuples."""

_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def check_nesting(content: bytes | IO[bytes]) -> None:
    """Raise ``UnpicklingError`` if a pickle nests tuples more than ``DEEPEST`` deep.

    Of a file, one pickle is read, from where the file stands. The stack and the memo of the
    pickle are followed, with the depth of each value in its place.
    """
    mark = -1
    stack: list[int] = []
    memo: dict[Any, int] = {}
    try:
        for opcode, argument, _ in pickletools.genops(content):
            name = opcode.name
            before, after = opcode.stack_before, opcode.stack_after
            if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
                memo[len(memo) if argument is None else argument] = stack[-1]
                continue
            if name in ("GET", "BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
                continue
            if name == "MARK":
                stack.append(mark)
                continue
            popped: list[int] = []
            if pickletools.markobject in before:
                while (depth := stack.pop()) != mark:
                    popped.append(depth)
                # What lies under the mark, such as the list that gets the values.
                under = before.index(pickletools.markobject)
            else:
                under = len(before)
            popped += [stack.pop() for _ in range(under)]
            depth = max(popped, default=0) + (name == "TUPLE" or name in _TUPLES)
            if depth > DEEPEST:
                msg = f"tuples nested more than {DEEPEST} deep"
                raise pickle.UnpicklingError(msg)
            stack += [depth] * len(after)
    except (IndexError, KeyError, ValueError) as error:
        msg = f"no whole pickle ({error})"
        raise pickle.UnpicklingError(msg) from error
