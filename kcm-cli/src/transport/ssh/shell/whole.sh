# Locks, and the batch as a whole.

# Two scripts never change one master at once, also when the kcm that sent the first is gone: exclusive for a batch that
# changes anything, shared for one that looks. Whoever has to wait waits so many SECONDS at most.
hold() {
  if [ "$1" = exclusive ]; then
    [ -d "$state" ] || try "$state" mkdir -p -m 0700 -- "$state"
    words=$({ : >>"$state/script"; } 2>&1) || fail - "$state/script" "$words"
    exec 8>>"$state/script"
    flock -x -w "$2" 8 || fail busy "$state/script" ''
    # What programs said whose scripts were ended.
    set +f
    for left in "$state"/exec.*; do
      if exists "$left"; then rm -rf -- "$left"; fi
    done
    set -f
  elif [ -r "$state/script" ]; then
    exec 8<"$state/script"
    flock -s -w "$2" 8 || fail busy "$state/script" ''
  fi
}

# OWNER: holds the master's lock as long as somebody writes to standard input, at least once a minute. The lock of a kcm
# that is gone is free when its connection ends, or a minute later.
keep_lock() {
  [ -d "$state" ] || try "$state" mkdir -p -m 0700 -- "$state"
  words=$({ : >>"$state/lock"; } 2>&1) || fail - "$state/lock" "$words"
  exec 9>>"$state/lock"
  # A holder that has just let go may take a moment.
  if flock -x -w 2 9; then
    printf '%s, since %s\n' "$1" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" >|"$state/lock"
    printf 'held\n'
    while [ -n "$(timeout 60 head -c 1 9>&-)" ]; do :; done
  else
    printf 'taken %s\n' "$(base64 -w0 <"$state/lock")"
  fi
}

# MARK: carries out `batch` and says at once what came of it.
answer() {
  said=$(batch)
  printf '%s\n%s\n' "$said" "$1"
}
