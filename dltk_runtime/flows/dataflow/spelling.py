"""Names that differ by a slip of the fingers."""

from __future__ import annotations


def near(name: str, made: set[str]) -> str:
    """Return a made field whose name differs by two letters in another order, or by one letter."""
    return next((other for other in sorted(made) if len(name) >= 4 and other != name and one_slip(name, other)), "")


def one_slip(one: str, two: str) -> bool:
    """Return whether two words differ by one letter, or by two letters in another order."""
    if abs(len(one) - len(two)) > 1 or one == two:
        return False
    if len(one) == len(two):
        other = [at for at in range(len(one)) if one[at] != two[at]]
        if any(one[at].isdigit() and two[at].isdigit() for at in other):
            return False
        crossed = len(other) == 2 and other[1] == other[0] + 1 and one[other[0]] == two[other[1]]
        return (crossed and one[other[1]] == two[other[0]]) or (len(other) == 1 and len(one) > 4)
    short, long = sorted((one, two), key=len)
    left = any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
    return left and len(short) >= 3 and not long.endswith(f"{short[-1]}s")
