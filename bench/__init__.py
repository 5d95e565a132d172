"""How fast musterd is on this machine: `python -m bench`."""
