"""`musterd top`: a live view in the terminal.

The data side (`listing`, `roster`, `page`, `tail`, `rates`, `feed`) knows no terminal, and the
screen side (`app` and what it is made of) knows no Valkey. Between the two stand `columns`,
`wording` and `side`: what is shown, as text.
"""
