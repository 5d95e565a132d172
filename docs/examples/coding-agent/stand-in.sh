#!/usr/bin/env bash
# In place of a coding CLI, to try the example without one: it takes the same two calls, and each
# prompt becomes a line of NOTES.md. It works for as many steps of 0.1 s as STEPS says, 10 unless told.
set -euo pipefail
call=$1 session=$2 prompt=$(cat)
for step in $(seq "${STEPS:-10}"); do
    echo "$session: step $step"
    [ "$step" -gt 1 ] || echo "$call: $prompt" >>NOTES.md
    sleep 0.1
done
