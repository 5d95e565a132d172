"""How figures grow with what they hang on, as pictures: `python -m bench.pictures`."""
