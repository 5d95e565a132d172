"""musterd beside what people use instead: `python -m bench.compare`."""
