#!/usr/bin/env bash
# One task of a coding agent, on a branch and in a git worktree of its own.
#
# Context: {"repository": an absolute path, "branch": made if need be, "prompt": what to do,
#           "base": what a new branch begins at, HEAD unless told}
# Result:  {"branch", "commit", "diffstat"}
set -euo pipefail

AGENT_CLI=${AGENT_CLI:-claude -p --verbose --output-format stream-json --permission-mode acceptEdits}

# The two calls that know one CLI from another. Each is given the prompt on standard input.
# AGENT_CLI is split into words on purpose.
begin() { $AGENT_CLI --session-id "$session"; }
go_on() { $AGENT_CLI --resume "$session"; }

progress() { echo "$*" >"$MUSTERD_PROGRESS"; }

# Tell how far it is with each line that the CLI writes. The first line shows that the session is
# there: from now on another attempt can resume it.
follow() {
    while IFS= read -r line; do
        printf '%s\n' "$line"
        [ -e "$MUSTERD_CHECKPOINT" ] || printf '"%s"' "$session" >"$MUSTERD_CHECKPOINT"
        progress "working, $(git --no-optional-locks -C "$tree" status --porcelain | wc -l) files changed"
    done
}

turn() { # CALL PROMPT
    (cd "$tree" && "$1" <<<"$2") | follow
    save "${2%%$'\n'*}"
}

# Commit what there is. Hooks must not refuse it: what is not committed is lost.
save() { # MESSAGE
    git -C "$tree" add --all &&
        { git -C "$tree" diff --cached --quiet || git -C "$tree" commit --quiet --no-verify -m "$1"; }
}

open_tree() {
    [ -e "$tree/.git" ] && return # of an attempt that was ended by force
    git -C "$repository" worktree prune
    if git -C "$repository" show-ref --quiet "refs/heads/$branch"; then
        git -C "$repository" worktree add --quiet "$tree" "$branch"
    else
        git -C "$repository" worktree add --quiet -b "$branch" "$tree" "$base"
    fi
}

# However it ends, the work is on the branch and the worktree is gone.
close_tree() {
    [ -e "$tree/.git" ] || return 0
    if save "Interrupted: $MUSTERD_AGENT_ID"; then
        git -C "$repository" worktree remove --force "$tree"
    else
        echo "not committed, see $tree" >&2
    fi
}

IFS= read -r context
mapfile -d '' -t given < <(python3 read_context.py <<<"$context")
[ ${#given[@]} -eq 4 ] || exit 65 # read_context.py has said why
repository=${given[0]} branch=${given[1]} prompt=${given[2]} base=${given[3]}
tree="$repository.worktrees/$MUSTERD_TASK_ID" # the same for each attempt: sessions belong to a folder

trap 'exit 143' TERM
trap close_tree EXIT
open_tree
progress "0 worktree is ready"

if [ -e "$MUSTERD_CHECKPOINT" ]; then
    session=$(tr -d '"' <"$MUSTERD_CHECKPOINT")
    turn go_on "You were interrupted. Go on with your task."
else
    session=$(</proc/sys/kernel/random/uuid)
    turn begin "$prompt"
fi
while IFS= read -r -t 1 message; do # those that came meanwhile, each a line of JSON: a string
    turn go_on "$(python3 -c 'import json, sys; print(json.loads(sys.argv[1]))' "$message")"
done

progress "1 done"
since=$(git -C "$tree" merge-base "$base" HEAD)
python3 -c 'import json, sys; print(json.dumps(dict(zip(("branch", "commit", "diffstat"), map(str.strip, sys.argv[1:])))))' \
    "$branch" "$(git -C "$tree" rev-parse HEAD)" "$(git -C "$tree" diff --shortstat "$since")" \
    >"$MUSTERD_RESULT"
