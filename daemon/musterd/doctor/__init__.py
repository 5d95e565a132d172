"""`musterd doctor`: what would keep musterd from its promises here, and what to do about it.

Each check is one small generator of findings. Nothing here changes a record, a setting or a file;
the probes that write are named in `rights.py` and `traffic.py`.
"""
