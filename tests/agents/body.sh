# The bodies of the kinds in commands.toml. The context is the name of a folder for process ids.

note() { [ -z "$LEDGER" ] || echo "$1 $MUSTERD_AGENT_ID $2 $(date +%s%N)" >> "$LEDGER/ledger"; }

note start $$
folder=$(tr -d '"')

case $1 in
greet)
  trap 'note end exit' EXIT
  echo '"hello"' > "$MUSTERD_RESULT"
  ;;
crash)
  trap 'note end exit' EXIT
  echo "it cannot go on" >&2
  exit 3
  ;;
family)
  # A child and a grandchild, in the same process group.
  bash -c 'sleep 600 & echo $! > "$0/grandchild.pid"; wait' "$folder" &
  echo $! > "$folder/child.pid"
  wait
  ;;
talker)
  while :; do echo "the quick brown fox"; sleep 0.002; done
  ;;
stubborn)
  trap '' TERM
  echo $$ > "$folder/stubborn.pid"
  while :; do sleep 0.1; done
  ;;
esac
