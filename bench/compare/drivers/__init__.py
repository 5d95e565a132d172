"""One file a library: how jobs are submitted to it and killed, and how its worker is started.

Each runs in an environment of its own, with nothing from here but this folder. A file is named
after its library, and started as a module, so that the library's own name stays the library's.
"""
