# A command agent that runs for ever: it says how busy the machine is, until it is killed.
#
# A kill asks with SIGTERM first, the shell and what it runs alike, and forces after a grace.

trap 'echo "asked to stop after look $looks"; exit 0' TERM

looks=0
while true; do
    read -r load _ </proc/loadavg
    looks=$((looks + 1))
    echo "look $looks: load $load"
    sleep "$INTERVAL"
done
