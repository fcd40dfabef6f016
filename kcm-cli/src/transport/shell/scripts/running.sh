# Units and programs.

manager() {
  [ -d /run/systemd/system ] || fail noSystemd "$1" 'systemd does not run there'
  unit=$1
  shift
  words=$(systemctl --quiet -- "$@" 2>&1) || fail unit "$unit" "$words$(last_words "$unit")"
}

# UNIT ARGUMENT…: prints the last entries of the unit's own processes.
entries() {
  unit_entries=$1
  shift
  journalctl --quiet --no-pager -n 3 -o cat "$@" _SYSTEMD_UNIT="$unit_entries" 2>/dev/null
}

# UNIT INVOCATION: prints the last entries of the unit's own processes in that run, by default the
# last run.
last_words() {
  ended=${2:-}
  if [ -z "$ended" ]; then ended=$(systemctl -p InvocationID --value -- show "$1" 2>/dev/null); fi
  # The newest entries may not be in the journal yet.
  timeout 10 journalctl --sync >/dev/null 2>&1 || :
  lines=$(entries "$1" ${ended:+"_SYSTEMD_INVOCATION_ID=$ended"}) || lines=
  # journald records no invocation if the process ends first. Then the entries since its start
  # count.
  if [ -z "$lines" ]; then
    since=$(systemctl -p ExecMainStartTimestamp --value -- show "$1" 2>/dev/null)
    if [ -n "$since" ]; then lines=$(entries "$1" --since "$since") || lines=; fi
  fi
  if [ -n "$lines" ]; then printf '%sjournal: %s' "$newline" "$lines"; fi
}

enable_unit() {
  manager "$1" enable "$1"
  set +f
  set -- /etc/systemd/system/*.wants /etc/systemd/system/*.requires /etc/systemd/system
  set -f
  for folder in "$@"; do
    if [ -d "$folder" ]; then try "$folder" sync -- "$folder"; fi
  done
}

# UNIT FILE
disable_unit() {
  if exists "$2"; then
    manager "$1" disable "$1"
    set +f
    set -- /etc/systemd/system/*.wants /etc/systemd/system/*.requires /etc/systemd/system
    set -f
    for folder in "$@"; do
      if [ -d "$folder" ]; then try "$folder" sync -- "$folder"; fi
    done
  fi
}

# UNIT DELAY: arms a systemd timer that starts the unit again even if kcm dies. Its name is new, so
# that an older timer stays armed until this one is.
arm_unit() {
  words=$(systemd-run --quiet --collect --unit="kcm-start-$1-$$" --on-active="$2" --timer-property=AccuracySec=100ms \
    -- systemctl start -- "$1" 2>&1) || fail unit "$1" "cannot arm the timer that starts the service again: $words"
}

# UNIT DELAY
stop_unit() {
  arm_unit "$1" "$2"
  manager "$1" stop "$1"
  printf 'gone %s\n' "$(date +%s.%N)"
}

start_unit() {
  systemctl -- reset-failed "$1" 2>/dev/null || :
  manager "$1" start "$1"
  disarm_unit "$1"
}

disarm_unit() { manager "$1" stop "kcm-start-$1-*.timer"; }

# UNIT: resets the start counter, because earlier failures may have reached the start limit.
restart_unit() {
  systemctl -- reset-failed "$1" 2>/dev/null || :
  manager "$1" restart "$1"
}

# Sets `clock` to hundredths of seconds of a monotonic clock.
clock() {
  read -r clock _ </proc/uptime
  clock=${clock%.*}${clock#*.}
}

# Describes how a unit's main process ended.
ending() {
  case $(property Result) in
    signal | core-dump) printf 'terminated by signal %s' "$(property ExecMainStatus)" ;;
    exit-code | success) printf 'exit status %s' "$(property ExecMainStatus)" ;;
    *) property Result ;;
  esac
}

# UNIT PERIOD LISTENS INVOCATION CONNECTIONS: waits until the unit is active for PERIOD hundredths
# of seconds, as one invocation, INVOCATION if given. Then its main process may take LISTENS
# hundredths more until it listens. With CONNECTIONS, reports its connections, too.
settle() {
  [ -d /run/systemd/system ] || fail noSystemd "$1" 'systemd does not run there'
  invocation=
  while :; do
    clock
    shown=$(systemctl -p ActiveState -p SubState -p InvocationID -p MainPID -p Result -p ExecMainStatus -- show "$1" 2>&1) ||
      fail unit "$1" "$shown"
    case $(property ActiveState)/$(property SubState) in
      active/*)
        if [ -z "$invocation" ]; then
          invocation=$(property InvocationID)
          since=$clock
          if [ "${4:-$invocation}" != "$invocation" ]; then
            fail unit "$1" "the process ended and was started again$(last_words "$1")"
          fi
        elif [ "$invocation" != "$(property InvocationID)" ]; then
          fail unit "$1" "the process ended and was started again within seconds$(last_words "$1")"
        fi
        if [ $((clock - since)) -ge "$2" ]; then
          process=$(property MainPID)
          listening "$process"
          if [ "$listening" != known ] || [ $((clock - since)) -ge $(($2 + $3)) ]; then
            printf 'settled %s %s %s\n' "$invocation" "$process" "$listening"
            if [ -n "$5" ]; then printf 'connected %s\n' "$(connected "$process")"; fi
            return 0
          fi
        fi
        ;;
      activating/auto-restart* | failed/* | inactive/*)
        fail unit "$1" "the service does not stay active: $(ending)$(last_words "$1" "$(property InvocationID)")"
        ;;
      *)
        if [ -n "$invocation" ]; then
          fail unit "$1" "the service does not stay active: its state is $(property ActiveState)$(last_words "$1")"
        fi
        ;;
    esac
    # Sleep no longer than the rest of the period.
    pause=0.1
    if [ -n "$invocation" ] && [ $((since + $2 - clock)) -lt 10 ] && [ $((since + $2 - clock)) -gt 0 ]; then
      pause=0.0$((since + $2 - clock))
    fi
    sleep "$pause"
  done
}

# FILE…: sets `sockets` to the listening sockets in tables of the kernel, a line for each: address
# and port in the kernel's hexadecimal form, and inode.
sockets() {
  sockets=
  IFS=$newline
  for line in $(cat "$@" 2>/dev/null); do
    unset IFS
    case $line in *' 0A '*)
      # shellcheck disable=SC2086 # Words of a line.
      set -- $line
      sockets="$sockets$2 ${10}$newline"
      ;;
    esac
    IFS=$newline
  done
  unset IFS
}

# PROCESS: prints its connections that can still carry data. Excluded are sockets that listen (0A),
# connect (02, 03, 0C) or are closed (06, 07, 0B) and belong to no process.
connected() {
  if [ -z "$is_root" ]; then
    printf unknown
    return
  fi
  set +f
  owned=$(stat -c %N "/proc/$1/fd"/* 2>/dev/null)
  set -f
  printf known
  IFS=$newline
  for line in $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
    unset IFS
    case $line in *' 0'[14589]' '*)
      # shellcheck disable=SC2086 # Words of a line.
      set -- $line
      case $owned in *"socket:[${10}]"*) printf ' %s/%s/%s' "$2" "$3" "${10}" ;; esac
      ;;
    esac
    IFS=$newline
  done
  unset IFS
}

# PROCESS: sets `listening` to its addresses. A table costs milliseconds: the IPv6 one is read only
# if the IPv4 one has no match.
listening() {
  listening=unknown
  if [ -z "$is_root" ]; then return; fi
  listening=known
  set +f
  owned=$(stat -c %N "/proc/$1/fd"/* 2>/dev/null)
  set -f
  for table in /proc/net/tcp /proc/net/tcp6; do
    sockets "$table"
    IFS=$newline
    for line in $sockets; do
      case $owned in *"socket:[${line#* }]"*) listening="$listening ${line% *}" ;; esac
    done
    unset IFS
    if [ "$listening" != known ]; then return; fi
  done
}

process=
# PROGRAM: reports its version, from its note if the same batch has read it.
program_version() {
  if [ "$1" = "$noted" ] && [ "$noted_version" != - ]; then
    printf 'version known %s\n' "$noted_version"
  elif version=$(timeout 20 "$1" --version 2>&1 </dev/null); then
    printf 'version known %s\n' "$(encode "$version")"
  else
    printf 'version unknown %s\n' "$(encode "${version:-the program ended without output}")"
  fi
}

# UNIT: reports its main process. Without root, the arguments are known, but not the addresses.
inspect() {
  # A probe in the same batch may have set it.
  if [ -z "$process" ]; then
    shown=$(systemctl -p MainPID -- show "$1" 2>&1) || fail unit "$1" "$shown"
    process=${shown#MainPID=}
  fi
  # The process may end during the inspection.
  if argv=$({ base64 -w0 <"/proc/$process/cmdline"; } 2>/dev/null) && [ -n "$argv" ]; then
    listening "$process"
    printf 'process %s %s %s\n' "$process" "$argv" "$listening"
  else
    printf 'process -\n'
  fi
}

# UNIT PORT: reports listeners on the port other than the unit's main process. PORT has four
# hexadecimal digits.
examine_port() {
  if [ -z "$is_root" ]; then
    printf 'strangers unknown\n'
    return
  fi
  shown=$(systemctl -p MainPID -- show "$1" 2>/dev/null)
  sockets /proc/net/tcp /proc/net/tcp6
  set +f
  owned=$(stat -c %N "/proc/$(property MainPID)/fd"/* 2>/dev/null)
  strangers=$(printf %s "$sockets" | while read -r at inode; do
    case $at in *":$2")
      case $owned in *"socket:[$inode]"*) ;; *) printf '%s %s\n' "$at" "$inode" ;; esac
      ;;
    esac
  done)
  all=
  if [ -n "$strangers" ]; then all=$(stat -c %N /proc/[0-9]*/fd/* 2>/dev/null); fi
  set -f
  printf 'strangers known'
  printf '%s\n' "$strangers" | while read -r at inode; do
    if [ -z "$at" ]; then continue; fi
    holder=${all%%" -> socket:[$inode]"*}
    if [ "$holder" = "$all" ]; then
      printf ' %s/0' "$at"
    else
      holder=${holder##*"$newline"}
      holder=${holder#/proc/}
      printf ' %s/%s' "$at" "${holder%%/*}"
    fi
  done
  printf '\n'
}

# USER GROUP ARGV…: runs a program with the rights of an account and without root's capabilities.
as_account() {
  user=$1
  group=$2
  shift 2
  setpriv --reuid "$user" --regid "$group" --init-groups --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"
}

# PROGRAM: prints the ELF fields that the kernel compares with its machine: class, byte order and
# machine.
made_for() {
  head -c 20 "$1" | od -An -v -tx1 | {
    read -r first second third fourth class order _
    read -r _ _ machine
    printf %s "$first$second$third$fourth $class $order $machine"
  }
}

# PROGRAM: reports its version and help. The kernel refuses a program for another machine; a shell
# would then run it as a script.
examine_program() {
  made_for=$(made_for "$1")
  if [ "${made_for#7f454c46}" != "$made_for" ] && [ "$made_for" != "$(made_for /proc/self/exe)" ]; then
    printf 'program unknown %s\n' "$(encode 'the program is built for another architecture (Exec format error)')"
  elif version=$(timeout 20 "$1" --version 2>&1 </dev/null) && help=$(timeout 20 "$1" --help 2>&1 </dev/null); then
    printf 'program known %s %s\n' "$(encode "$version")" "$(printf %s "$help" | base64 -w0)"
  else
    printf 'program unknown %s\n' "$(encode "${version:-the program ended without output}")"
  fi
}

# PROGRAM NOTE DIGEST: records the version of a program and, with DIGEST, its digest, unless
# recorded already. Failures are ignored. The version of a script is not recorded: it may run
# another program.
note_program() {
  recall "$1" "$2"
  if [ "$noted_version" != - ] && { [ -z "$3" ] || [ "$noted_digest" != - ]; }; then return 0; fi
  if ! [ -f "$1" ] || [ -L "$1" ]; then return 0; fi
  facts=$(stat -c '%s %.9Y %.9Z %i' -- "$1" 2>/dev/null) || return 0
  digest=- version=
  if [ -n "$3" ]; then
    digest=$(sha256sum -- "$1" 2>/dev/null) || return 0
    digest=${digest%% *}
    digest=${digest#\\}
  fi
  case $(made_for "$1") in 7f454c46*) version=$(timeout 20 "$1" --version 2>&1 </dev/null) || version= ;; esac
  if [ -n "$version" ]; then version=$(encode "$version"); fi
  # If the program changed meanwhile, the facts are outdated.
  if [ "$facts" != "$(stat -c '%s %.9Y %.9Z %i' -- "$1" 2>/dev/null)" ]; then return 0; fi
  parent "$2"
  # The folder may be missing: the first verified change leaves none.
  [ -d "$parent" ] || mkdir -m 0700 -- "$parent" 2>/dev/null || return 0
  rm -f -- "$2" 2>/dev/null
  { printf '%s %s %s .\n' "$facts" "$digest" "${version:--}" >"$2"; } 2>/dev/null || :
}

# USER GROUP PATH…: reports the files that the account cannot read; without GROUP, those that root
# cannot.
examine_readable() {
  # shellcheck disable=SC2016 # The other shell expands it.
  check='for path; do [ -f "$path" ] && [ -r "$path" ] || printf "%s\n" "$path"; done'
  user=$1
  group=$2
  shift 2
  if [ -z "$is_root" ]; then
    printf 'unreadable unknown %s\n' "$(encode 'only root can check the access of another user')"
  elif [ -z "$group" ]; then
    printf 'unreadable known %s\n' "$(encode "$(sh -c "$check" sh "$@")")"
  elif unreadable=$(as_account "$user" "$group" sh -c "$check" sh "$@" 2>&1); then
    printf 'unreadable known %s\n' "$(encode "$unreadable")"
  else
    printf 'unreadable unknown %s\n' "$(encode "$unreadable")"
  fi
}

# SIZE ARGV…: runs a program with the next SIZE bytes as its input; any exit status is a result. The
# program starts only when all bytes are here: a truncated script is another script. A program that
# does not read leaves nothing to later operations. Only here does a variable hold content, which no
# other process sees.
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
