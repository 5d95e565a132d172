"""`musterd demo`: agents of several kinds at real work, on a Valkey and a daemon of its own.

`agents.toml`, `agents.py`, `check_repository.py` and `watch.sh` are examples to copy from.
"""
