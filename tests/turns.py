"""The order of tests for several processes: the long ones first, so that none ends long after the others."""

from itertools import groupby


def slow_first(items, count, folder_of, file_of, is_slow):
    """Items such that each of `count` parts of equal number begins with its folders' files that have slow tests.

    Files stay together, as their tests share fixtures.
    """
    files = [list(group) for _, group in groupby(items, file_of)]
    slow = [item for file in files if any(map(is_slow, file)) for item in file]
    quick = [item for file in files if not any(map(is_slow, file)) for item in file]
    folders = [list(group) for _, group in groupby(slow, folder_of)]
    ordered = []
    for number in range(count):
        ordered += [item for folder in folders[number::count] for item in folder]
        room = max(0, (number + 1) * len(items) // count - len(ordered))
        ordered, quick = ordered + quick[:room], quick[room:]
    return ordered + quick
