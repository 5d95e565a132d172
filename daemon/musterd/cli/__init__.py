"""The command line: one file a group of commands, nothing but parsing and printing.

What is slow to import is imported by the command that needs it, so that `musterd kill` is quick.
"""
