# Locks, and execution of the whole batch.

# LOCK SECONDS: prevents two scripts from changing one master at once, even if the kcm that sent the
# first is dead. A batch with changes needs LOCK exclusive, one without needs shared. Waits at most
# SECONDS.
hold() {
  if [ "$1" = exclusive ]; then
    [ -d "$state" ] || try "$state" mkdir -p -m 0700 -- "$state"
    words=$({ : >>"$state/script"; } 2>&1) || fail - "$state/script" "$words"
    exec 8>>"$state/script"
    flock -x -w "$2" 8 || fail busy "$state/script" ''
    # Output of programs whose scripts were killed.
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

# OWNER: holds the master's lock while standard input receives data at least once a minute. The lock
# of a dead kcm is released when its connection ends, or a minute later.
keep_lock() {
  [ -d "$state" ] || try "$state" mkdir -p -m 0700 -- "$state"
  words=$({ : >>"$state/lock"; } 2>&1) || fail - "$state/lock" "$words"
  exec 9>>"$state/lock"
  # A previous holder may need a moment to exit.
  if flock -x -w 2 9; then
    printf '%s, since %s\n' "$1" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" >|"$state/lock"
    printf 'held\n'
    while [ -n "$(timeout 60 head -c 1 9>&-)" ]; do :; done
  else
    printf 'taken %s\n' "$(base64 -w0 <"$state/lock")"
  fi
}

# MARK: runs `batch`, then prints its whole output.
answer() {
  said=$(batch)
  printf '%s\n%s\n' "$said" "$1"
}
