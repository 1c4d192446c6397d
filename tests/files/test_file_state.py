"""Whether files changed since they were read."""

from __future__ import annotations

import os
from pathlib import Path

from dltk_runtime.files import state as file_state
from dltk_runtime.files.state import FileState, unchanged


class TestChanges:
    def age(self, state: FileState) -> FileState:
        """The state as it is of a file that was read long after its last change."""
        return FileState(state.path, state.stamp)

    def test_nothing_changed_is_unchanged(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"1")
        assert unchanged([file_state.read(tmp_path / "a")[1], FileState(str(tmp_path / "missing"), None)])

    def test_a_write_a_new_file_a_lost_file_and_a_replaced_file_are_changes(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        missing = FileState(str(path), None)
        path.write_bytes(b"1")
        assert not unchanged([missing])
        state = self.age(file_state.read(path)[1])
        (tmp_path / "b").write_bytes(b"2")
        (tmp_path / "b").replace(path)
        assert not unchanged([state])
        state = self.age(file_state.read(path)[1])
        path.write_bytes(b"longer")
        assert not unchanged([state])
        state = file_state.read(path)[1]
        path.unlink()
        assert not unchanged([state])

    def test_a_write_of_the_same_size_within_one_tick_of_the_clock_is_a_change(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        for _ in range(100):
            path.write_bytes(b"1")
            state = file_state.read(path)[1]
            path.write_bytes(b"2")
            assert not unchanged([state])

    def test_a_file_with_its_time_set_back_is_a_change(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"1")
        state = file_state.read(path)[1]
        path.write_bytes(b"2")
        assert state.stamp
        os.utime(path, ns=(state.stamp[0], state.stamp[0]))
        assert not unchanged([state])
