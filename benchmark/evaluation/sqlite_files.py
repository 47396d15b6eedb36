"""SQLite files that anybody may have written: opened so that nothing in them runs, and only in the expected form."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

LARGEST = 1 << 24
"""Bytes of one row, far beyond what this program writes."""


def open_tables(
    path: Path, tables: Mapping[str, str], *, timeout: float = 5.0, threads: bool = False
) -> sqlite3.Connection:
    """Open a file, make its tables when it is new, and see that it holds them and nothing else.

    Views and triggers would put other rows in the place of those that were written.

    Arguments:
        path: The file.
        tables: Columns of each table by name, as SQL.
        timeout: Seconds to wait while another process writes.
        threads: Whether threads take turns in using the connection.

    Raises:
        sqlite3.DatabaseError: It is no such file.
    """
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=not threads)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        for name, columns in tables.items():
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} {columns}")
        expected = {("table", name, f"CREATE TABLE {name} {columns}") for name, columns in tables.items()}
        found = set(
            connection.execute("SELECT type, name, sql FROM sqlite_master WHERE type != 'index' OR sql IS NOT NULL")
        )
        if found != expected:
            raise sqlite3.DatabaseError("it holds other tables than this version of the program makes")
    except BaseException:
        connection.close()
        raise
    return connection
