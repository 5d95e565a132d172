"""What an agent runs. Each runtime does one attempt and returns only when it has really ended."""
