#!/bin/sh
# Submits one mail with swaks: sh examples/swaks.sh [TASK-ID]. The second time is a repeat.
set -eu

task=${1:-$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)}

transcript=$(swaks --server 127.0.0.1 --port "${MAILONCE_SMTP_PORT:-2525}" \
  --from news@sender.example --to ada@example.com \
  --header "Subject: News" --header "X-Task-Id: $task" \
  --body "Hello Ada, this is our newsletter." 2>&1) || {
  status=$?
  printf '%s\n' "$transcript" >&2
  exit "$status"
}

# The reply that follows the final dot.
printf '%s\n' "$transcript" | sed -n '/^ -> \.$/{n;s/^<[-~*]*  *//p;}'
