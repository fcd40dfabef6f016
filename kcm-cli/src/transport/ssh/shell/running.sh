# Units and programs.

manager() {
  [ -d /run/systemd/system ] || fail noSystemd "$1" 'systemd does not run there'
  unit=$1
  shift
  words=$(systemctl --quiet "$@" 2>&1) || fail unit "$unit" "$words$(last_words "$unit")"
}

# What the unit's own processes wrote last.
last_words() {
  lines=$(journalctl --quiet --no-pager -n 3 -o cat _SYSTEMD_UNIT="$1" 2>/dev/null) || lines=
  if [ -n "$lines" ]; then printf '%sjournal: %s' "$newline" "$lines"; fi
}

enable_unit() {
  manager "$1" enable -- "$1"
  set +f
  set -- /etc/systemd/system/*.wants /etc/systemd/system/*.requires /etc/systemd/system
  set -f
  for folder in "$@"; do
    if [ -d "$folder" ]; then try "$folder" sync -- "$folder"; fi
  done
}

# A start must not meet the start limit that earlier failures used up.
restart_unit() {
  systemctl reset-failed -- "$1" 2>/dev/null || :
  manager "$1" restart -- "$1"
}

# Hundredths of seconds on a clock that nobody sets.
clock() {
  read -r clock _ </proc/uptime
  clock=${clock%.*}${clock#*.}
}

# UNIT PERIOD: active for PERIOD hundredths of seconds, as one invocation.
settle() {
  [ -d /run/systemd/system ] || fail noSystemd "$1" 'systemd does not run there'
  invocation=
  while :; do
    clock
    shown=$(systemctl show -p ActiveState -p SubState -p InvocationID -p Result -p ExecMainStatus -- "$1" 2>&1) ||
      fail unit "$1" "$shown"
    case $(property ActiveState)/$(property SubState) in
      active/*)
        if [ -z "$invocation" ]; then
          invocation=$(property InvocationID)
          since=$clock
        elif [ "$invocation" != "$(property InvocationID)" ]; then
          fail unit "$1" "it ended and was started again within seconds$(last_words "$1")"
        fi
        if [ $((clock - since)) -ge "$2" ]; then return 0; fi
        ;;
      activating/auto-restart* | failed/* | inactive/*)
        fail unit "$1" "it does not stay up: $(property Result), exit status $(property ExecMainStatus)$(last_words "$1")"
        ;;
      *)
        if [ -n "$invocation" ]; then
          fail unit "$1" "it does not stay up: it is $(property ActiveState)$(last_words "$1")"
        fi
        ;;
    esac
    # No longer than there is to wait.
    pause=0.1
    if [ -n "$invocation" ] && [ $((since + $2 - clock)) -lt 10 ]; then pause=0.0$((since + $2 - clock)); fi
    sleep "$pause"
  done
}

# SIZE ARGV…: runs a program with the next SIZE bytes as its input. How it ends is an answer, whatever it is. It is run
# when all of them are here: half a script, cut off with its connection, is another script. And one that does not read
# leaves nothing to whatever comes after it. So here alone a variable holds content, which no other process sees.
execute() {
  size=$1
  shift
  folder=$(mktemp -d "$state/exec.XXXXXX" 2>&1) || fail - "$state" "$folder"
  if [ "$size" = 0 ]; then
    "$@" </dev/null >"$folder/out" 2>"$folder/err" 8>&-
  else
    input=$(head -c "$size" | base64 -w0)
    if [ "$(printf %s "$input" | base64 -d | wc -c)" -ne "$size" ]; then exit; fi
    printf %s "$input" 2>/dev/null | base64 -d 2>/dev/null | "$@" >"$folder/out" 2>"$folder/err" 8>&-
  fi
  printf 'exit %s\n' "$?"
  printf 'out %s\n' "$(base64 -w0 <"$folder/out")"
  printf 'err %s\n' "$(base64 -w0 <"$folder/err")"
  rm -f -- "$folder/out" "$folder/err"
  rmdir -- "$folder"
}
