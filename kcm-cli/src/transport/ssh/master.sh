# The meaning of a batch on a master: one function for every operation, for a POSIX shell with coreutils, util-linux
# and systemctl. kcm sends this text, then the calls that make up the batch, then the bytes of the files.
#
# Everything is said on standard output in lines of words, at the end (`answer`). What may hold a blank or a newline is
# said in base64. Content is never in a variable or an argument: `head` carries it from standard input to its file.

LC_ALL=C QUOTING_STYLE=literal
export LC_ALL QUOTING_STYLE
PATH=/usr/sbin:/usr/bin:/sbin:/bin:${PATH:-}
umask 077
set -fuC
trap '' HUP PIPE

newline='
'
is_root=
state=${HOME:-}/.kcm
if [ "$(id -u)" = 0 ]; then
  is_root=1
  state=/run/kcm
fi

encode() { printf %s "$1" | base64 -w0; }

finish() { printf 'done\n'; }

# Ends the batch: KIND (- for what WORDS tell), PATH, WORDS. What a stage has made so far is taken back.
fail() {
  printf 'failed %s %s %s\n' "$1" "$(encode "$2")" "$(encode "$3")"
  if [ -n "${undo:-}" ]; then
    fail() { exit; }
    $undo
  fi
  exit
}

# Runs a command about PATH that must succeed.
try() {
  path=$1
  shift
  words=$("$@" 2>&1) || fail - "$path" "$words"
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

parent() {
  parent=${1%/*}
  parent=${parent:-/}
}

# --- Looking -------------------------------------------------------------------------------------------------------

# Asks about paths all at once, because every process costs milliseconds: `states` and `digests` hold a line for each that
# exists, and for each that is a file, in their order. `look` takes them from there.
survey() {
  for path; do
    shift
    if exists "$path"; then
      set -- "$@" "$path"
    else
      reachable "$path"
    fi
  done
  states=
  if [ $# -gt 0 ]; then
    states=$(stat -c '%f %a %u %g %s %.9Z' -- "$@" 2>&1) || fail_each "$states" stat "$@"
  fi
  for path; do
    shift
    if [ -f "$path" ] && ! [ -L "$path" ]; then set -- "$@" "$path"; fi
  done
  digests=
  if [ $# -gt 0 ]; then
    digests=$(sha256sum -- "$@" 2>&1) || fail_each "$digests" sha256sum "$@"
  fi
}

# What is not seen may only be out of reach.
reachable() {
  if [ -n "$is_root" ]; then return; fi
  nearest "$1"
  if [ -d "$at" ] && ! [ -x "$at" ]; then fail permissionDenied "$1" 'permission denied'; fi
}

# WORDS COMMAND PATH…: names the path that the command fails for.
fail_each() {
  words=$1
  command=$2
  shift 2
  for path; do
    "$command" -- "$path" >/dev/null 2>&1 || fail - "$path" "$words"
  done
  fail - "$1" "$words"
}

# What a path names, as `artifact`; what else is known of a file, as `times`. Paths come in the order of the survey.
look() {
  times=
  if ! exists "$1"; then
    artifact=absent
    return
  fi
  path=$1
  line=${states%%"$newline"*}
  states=${states#*"$newline"}
  set -- $line
  case $1 in
    8???)
      digest=${digests%%"$newline"*}
      digests=${digests#*"$newline"}
      digest=${digest%% *}
      # A backslash says that the name holds one.
      artifact="file ${digest#\\} $2 $3 $4" times="$5 $6"
      ;;
    4???) artifact="folder $2 $3 $4" ;;
    a???) artifact="link $(readlink -n -- "$path" | base64 -w0)" ;;
    *) artifact=other ;;
  esac
}

probe_host() {
  read -r hostname </proc/sys/kernel/hostname
  printf 'host %s %s\n' "${is_root:-0}" "$hostname"
}

probe_paths() {
  survey "$@"
  for path; do
    look "$path"
    printf 'path %s %s\n' "$artifact" "$times"
  done
}

# The nearest of a path and the folders above it that exists, as `at`.
nearest() {
  at=$1
  until exists "$at"; do
    parent "$at"
    at=$parent
  done
}

# Whether there is room in folders, each or the nearest one above it that exists.
probe_rooms() {
  for folder; do
    shift
    nearest "$folder"
    [ -d "$at" ] || fail wrongKind "$at" 'a folder is needed here, and this is none; move it away'
    set -- "$@" "$at"
  done
  # As root, the reserve counts too.
  if [ -n "$is_root" ]; then free='%f %S'; else free='%a %S'; fi
  free=$(stat -f -c "$free" -- "$@" 2>&1) || fail - "$1" "$free"
  for folder; do
    obstacle=none
    if ! [ -w "$folder" ] || ! [ -x "$folder" ]; then
      case ,$(findmnt -nro OPTIONS -T "$folder"), in
        *,ro,*) obstacle=readOnly ;;
        *) obstacle=permissionDenied ;;
      esac
    fi
    line=${free%%"$newline"*}
    free=${free#*"$newline"}
    printf 'room %s %s\n' "$((${line% *} * ${line#* }))" "$obstacle"
  done
}

probe_leftover() {
  if exists "$1"; then printf 'leftover 1\n'; else printf 'leftover 0\n'; fi
}

# One value of what `systemctl show` said.
property() {
  value=${shown#*"$1="}
  printf %s "${value%%"$newline"*}"
}

# Whether a unit starts at boot: systemd may remember links that are gone, and counts those that end with the boot.
enablement() {
  enablement=$(property UnitFileState)
  case $enablement in
    '' | masked*) ;;
    *)
      enablement=disabled
      set +f
      for link in /etc/systemd/system/*.wants/"$1" /etc/systemd/system/*.requires/"$1"; do
        if [ -L "$link" ]; then enablement=enabled; fi
      done
      ;;
  esac
  printf %s "$enablement"
}

# UNIT, and its object path on the bus: `systemctl` shows times in seconds, too coarse to compare with a file's.
probe_unit() {
  [ -d /run/systemd/system ] || fail noSystemd "$1" 'systemd does not run there'
  shown=$(systemctl show -p LoadState -p ActiveState -p SubState -p NeedDaemonReload -p UnitFileState -p InvocationID \
    -p MainPID -p Result -- "$1" 2>&1) || fail unit "$1" "$shown"
  printf 'unit Enablement=%s\n' "$(enablement "$1")"
  printf '%s\n' "$shown" | while IFS= read -r line; do printf 'unit %s\n' "$line"; done
  case $shown in
    *ActiveState=active*)
      since=$(busctl get-property org.freedesktop.systemd1 "$2" org.freedesktop.systemd1.Unit \
        ActiveEnterTimestamp 2>&1) || fail unit "$1" "systemd does not say since when it runs: $since"
      printf 'unit Since=%s\n' "${since#t }"
      ;;
  esac
  printf 'unit end\n'
}

probe_processes() {
  if [ -z "$is_root" ]; then
    printf 'processes unknown\n'
    return
  fi
  printf 'processes known'
  set +f
  stat -c %N /proc/[0-9]*/exe 2>/dev/null | while IFS= read -r link; do
    case $link in
      *" -> $1" | *" -> $1 (deleted)")
        link=${link#/proc/}
        printf ' %s' "${link%%/*}"
        ;;
    esac
  done
  set -f
  printf '\n'
}

# PATH FILTER: a file's bytes; nothing for what is no regular file: a pipe would be waited for, a link may lead anywhere.
read_file() {
  if ! [ -f "$1" ] || [ -L "$1" ]; then
    reachable "$1"
    content=-
  elif [ -r "$1" ]; then
    if [ "$2" = whole ]; then
      content=$(base64 -w0 <"$1")
    else
      content=$($2 <"$1" | base64 -w0)
    fi
  else
    fail permissionDenied "$1" 'permission denied'
  fi
  printf 'content %s\n' "$content"
}

certificates() {
  inside=
  end=$newline
  # The last line may have no end.
  while IFS= read -r line || { end= && [ -n "$line" ]; }; do
    case $line in
      '-----BEGIN CERTIFICATE-----'*) inside=1 ;;
      # A certificate that is cut off ends here, too.
      '-----BEGIN '*) inside= ;;
    esac
    if [ -n "$inside" ]; then printf '%s%s' "$line" "$end"; fi
    case $line in '-----END '*) inside= ;; esac
  done
}

# --- Changing ------------------------------------------------------------------------------------------------------

# Makes the missing folders down to one; `made` names them, outermost first.
make_folders() {
  nearest "$1"
  [ -d "$at" ] || fail wrongKind "$at" 'is in the way: a folder is needed here; move it away'
  parent=$1
  set --
  until [ "$parent" = "$at" ]; do
    set -- "$parent" "$@"
    parent "$parent"
  done
  if [ $# -gt 0 ]; then
    for missing; do made="$made$missing$newline"; done
    try "$1" mkdir -m 0755 -- "$@"
  fi
}

# kcm makes no folders in a stage folder: one is somebody else's, and stops it.
empty_folder() {
  set +f
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if exists "$entry"; then try "$entry" rm -f -- "$entry"; fi
  done
  set -f
}

# Removes folders with the files in them, durable.
remove_folders() {
  for folder; do
    shift
    if [ -d "$folder" ] && ! [ -L "$folder" ]; then
      empty_folder "$folder"
      set -- "$@" "$folder"
    elif exists "$folder"; then
      try "$folder" rm -f -- "$folder"
    fi
  done
  if [ $# -gt 0 ]; then
    try "$1" rmdir -- "$@"
    sync_parents "$@"
  fi
}

# Makes the names of paths durable.
sync_parents() {
  for path; do
    shift
    parent "$path"
    set -- "$@" "$parent"
  done
  try "$1" sync -- "$@"
}

stage_begin() {
  made=
  stage_folders=
  undo=take_back
}

# The stage folders, empty.
stage_into() {
  for folder; do
    shift
    stage_folders="$stage_folders$folder$newline"
    if [ -d "$folder" ] && ! [ -L "$folder" ]; then
      try "$folder" chmod 0700 -- "$folder"
      empty_folder "$folder"
    elif exists "$folder"; then
      fail wrongKind "$folder" 'is in the way: kcm stages files in a folder of this name; remove it'
    else
      parent "$folder"
      make_folders "$parent"
      set -- "$@" "$folder"
    fi
  done
  if [ $# -gt 0 ]; then try "$1" mkdir -m 0700 -- "$@"; fi
}

# PATH SIZE: the next SIZE bytes of standard input, private.
stage_file() {
  words=$({ head -c "$2" >"$1"; } 2>&1) || fail - "$1" "$words"
}

# OWNER PATH…
stage_owner() {
  if [ -n "$is_root" ]; then try "$2" chown -- "$@"; fi
}

# MODE PATH…; after the owner, so that nobody else reads them before.
stage_mode() { try "$2" chmod -- "$@"; }

# Everything that was staged is durable before it is read back.
stage_sync() {
  IFS=$newline
  for folder in $made; do
    parent "$folder"
    set -- "$@" "$parent"
  done
  unset IFS
  try "$1" sync -- "$@"
}

# PATH…: `digests` holds a line for each.
stage_digests() { digests=$(sha256sum -- "$@" 2>&1) || fail_each "$digests" sha256sum "$@"; }

# PATH, and the digest it must have; in the order of the digests.
stage_check() {
  digest=${digests%%"$newline"*}
  digests=${digests#*"$newline"}
  digest=${digest%% *}
  [ "${digest#\\}" = "$2" ] || fail corrupt "$1" ''
}

stage_end() {
  undo=
  printf '%s' "$made" | while IFS= read -r folder; do printf 'made %s\n' "$folder"; done
  printf 'made\n'
}

take_back() {
  IFS=$newline
  # shellcheck disable=SC2086 # One word a line.
  set -- $stage_folders
  unset IFS
  remove_folders "$@"
  remove_made "$made"
}

# Removes folders, innermost first, that are empty.
remove_made() {
  printf '%s' "$1" | tac | while IFS= read -r folder; do rmdir -- "$folder" 2>/dev/null || :; done
}

# PATH, and what must be there; in the order of the survey.
expect() {
  look "$1"
  if [ "$artifact" != "$2" ]; then
    printf 'changed %s %s\n' "$(encode "$1")" "$artifact"
    exit
  fi
}

# STAGED TARGET
replace() { try "$2" mv -fT -- "$1" "$2"; }

# PATH MODE [OWNER]
set_attributes() {
  if [ -n "$3" ]; then try "$1" chown -- "$3" "$1"; fi
  try "$1" chmod -- "$2" "$1"
  try "$1" sync -- "$1"
}

# --- Units and programs --------------------------------------------------------------------------------------------

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

# --- The whole -----------------------------------------------------------------------------------------------------

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
