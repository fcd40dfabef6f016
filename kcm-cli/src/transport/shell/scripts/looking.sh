# Observation of files, folders, units and processes; changes nothing.

# PATH…: observes all paths at once, because every process costs milliseconds. `states` gets a line
# for each that exists, `digests` one for each file, in their order. `look` reads them.
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
    if [ -f "$path" ] && ! [ -L "$path" ] && ! is_unread "$path" && ! is_noted "$path"; then set -- "$@" "$path"; fi
  done
  digests=
  if [ $# -gt 0 ]; then
    digests=$(sha256sum -- "$@" 2>&1) || fail_each "$digests" sha256sum "$@"
  fi
}

# PATH…: sets the files whose content is not needed.
unread=$newline
leave_unread() {
  unread=$newline
  for path; do unread=$unread$path$newline; done
}

is_unread() {
  case $unread in *"$newline$1$newline"*) return 0 ;; esac
  return 1
}

# PROGRAM NOTE: reads the note about a program into `noted_digest` and `noted_version`; `-` if it is
# missing or about another program. A note that another user could have written is ignored.
noted= noted_digest=- noted_version=-
recall() {
  noted=$1 noted_digest=- noted_version=-
  if ! [ -f "$1" ] || [ -L "$1" ] || ! [ -f "$2" ] || [ -L "$2" ]; then return 0; fi
  facts=$(stat -c '%s %.9Y %.9Z %i %u %a' -- "$1" "$2" 2>/dev/null) || return 0
  case $facts in *" $effective 600") ;; *) return 0 ;; esac
  facts=${facts%%"$newline"*}
  line=
  read -r line <"$2" || return 0
  # A line without its end was not written completely.
  case $line in "${facts% * *} "*' .')
    line=${line#"${facts% * *} "}
    line=${line% .}
    noted_digest=${line% *} noted_version=${line#* }
    case ${#noted_digest}$noted_digest in 64*[!0-9a-f]*) noted_digest=- ;; 64*) ;; *) noted_digest=- ;; esac
    case $noted_version in *[!A-Za-z0-9+/=]*) noted_version=- ;; esac
    ;;
  esac
}

is_noted() { [ "$1" = "$noted" ] && [ "$noted_digest" != - ]; }

# PATH: fails if a path that seems absent is only inaccessible.
reachable() {
  if [ -n "$is_root" ]; then return; fi
  nearest "$1"
  if [ -d "$at" ] && ! [ -x "$at" ]; then fail permissionDenied "$1" 'permission denied'; fi
}

# WORDS COMMAND PATH…: fails for the path with which the command fails.
fail_each() {
  words=$1
  command=$2
  shift 2
  for path; do
    "$command" -- "$path" >/dev/null 2>&1 || fail - "$path" "$words"
  done
  fail - "$1" "$words"
}

# PATH: sets `artifact` to its state, and `times` to size and time of a file. Called in the order of
# the survey.
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
  sized=$sized$newline$path
  if [ "$5" -gt 1048576 ]; then large=$large$newline$path$newline; fi
  case $1 in
    8???)
      if is_unread "$path"; then
        artifact="unread $2 $3 $4 $5 $6"
        return
      fi
      if is_noted "$path"; then
        artifact="file $noted_digest $2 $3 $4" times="$5 $6"
        return
      fi
      digest=${digests%%"$newline"*}
      digests=${digests#*"$newline"}
      digest=${digest%% *}
      # sha256sum prints a backslash first if the name contains one.
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

probe_clock() { printf 'clock %s\n' "$(date +%s.%N)"; }

probe_paths() {
  survey "$@"
  for path; do
    look "$path"
    printf 'path %s %s\n' "$artifact" "$times"
  done
}

# PATH: sets `at` to the path, or to the nearest existing folder above it.
nearest() {
  at=$1
  until exists "$at"; do
    parent "$at"
    at=$parent
  done
}

# FOLDER…: reports the free space of each folder, or of the nearest existing one above it.
probe_rooms() {
  for folder; do
    shift
    nearest "$folder"
    [ -d "$at" ] || fail wrongKind "$at" 'not a directory; move the file away'
    set -- "$@" "$at"
  done
  # Root can also use the reserved blocks.
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

# NAME: prints one property from the output of `systemctl show`.
property() {
  value=${shown#*"$1="}
  printf %s "${value%%"$newline"*}"
}

# UNIT: sets `enablement`. systemd's own answer may include links that are gone, and includes those
# that last until the next boot.
enablement() {
  enablement=${shown#*UnitFileState=}
  enablement=${enablement%%"$newline"*}
  case $enablement in
    '' | masked*) ;;
    *)
      enablement=disabled
      set +f
      for link in /etc/systemd/system/*.wants/"$1" /etc/systemd/system/*.requires/"$1"; do
        if [ -L "$link" ]; then enablement=enabled; fi
      done
      set -f
      ;;
  esac
}

# UNIT: sets `shown` to its properties. Times in seconds are too coarse to compare with a file's,
# but systemd before 247 prints no others.
show_unit() {
  set -- -p LoadState -p ActiveState -p SubState -p NeedDaemonReload -p UnitFileState -p InvocationID -p MainPID -p Result \
    -p DropInPaths -p NRestarts -p ActiveEnterTimestamp -p FragmentPath -p EnvironmentFiles -- show "$1"
  shown=$(systemctl --timestamp=us+utc "$@" 2>&1) || shown=$(systemctl "$@" 2>&1)
}

# UNIT BUS_PATH: reports the state of a unit.
probe_unit() {
  [ -d /run/systemd/system ] || fail noSystemd "$1" 'systemd does not run there'
  show_unit "$1" || fail unit "$1" "$shown"
  found_unit=$1 found=$shown
  process=${shown#*MainPID=}
  process=${process%%"$newline"*}
  enablement "$1"
  printf 'unit Enablement=%s\n' "$enablement"
  IFS=$newline
  # Every process costs milliseconds; a shell loop needs none.
  for line in $shown; do printf 'unit %s\n' "$line"; done
  unset IFS
  case $shown in
    *ActiveEnterTimestamp=*.*) ;;
    *ActiveState=active*)
      since=$(busctl get-property org.freedesktop.systemd1 "$2" org.freedesktop.systemd1.Unit \
        ActiveEnterTimestamp 2>&1) || fail unit "$1" "cannot determine the start time of the unit: $since"
      printf 'unit Since=%s\n' "${since#t }"
      ;;
  esac
  printf 'unit end\n'
}

# WORD PATH: reports a file of a unit, its link target and its content. A drop-in that is not a
# regular file counts as empty.
unit_source() {
  check_length "$2"
  target=-
  if [ -L "$2" ]; then target=$(readlink -f -n -- "$2" | base64 -w0); fi
  printf 'unitFiles %s %s %s ' "$1" "$(encode "$2")" "${target:--}"
  if [ "$2" -ef /dev/null ] || { [ "$1" = dropIn ] && ! [ -f "$2" ]; }; then
    printf =
  elif [ -f "$2" ] && [ -r "$2" ]; then
    printf =
    base64 -w0 <"$2"
    sources=$sources$newline$2
  else
    printf -
  fi
  printf '\n'
}

# PATH: rejects a file that is too long for a unit, a kubeconfig or a certificate. `look` has
# recorded most sizes.
sized= large=
check_length() {
  case $sized$newline in
    *"$newline$1$newline"*) ;;
    *)
      if [ "$(stat -L -c %s -- "$1" 2>/dev/null || echo 0)" -gt 1048576 ]; then large=$large$newline$1$newline; fi
      ;;
  esac
  case $large in
    *"$newline$1$newline"*)
      fail - "$1" 'larger than 1 MiB and therefore not a unit, kubeconfig or certificate; inspect and move the file'
      ;;
  esac
}

# OPTIONAL PATH: reports an environment file, with its content if the unit refers to a variable.
environment_source() {
  check_length "$2"
  printf 'unitFiles environment %s %s ' "$1" "$(encode "$2")"
  if ! [ -e "$2" ]; then
    printf 'absent\n'
  elif [ -z "$refers" ]; then
    printf 'unread\n'
  elif [ -f "$2" ] && [ -r "$2" ]; then
    printf =
    base64 -w0 <"$2"
    printf '\n'
  elif [ "$2" -ef /dev/null ]; then
    printf '=\n'
  else
    printf 'unreadable\n'
  fi
}

# UNIT FOLDER… -- FOLDER…: reports the files of a unit as systemd loads them. For a unit that is not
# loaded, the unit folders and drop-in folders are searched.
found_unit=
find_unit() {
  unit=$1
  shift
  if [ "$found_unit" != "$unit" ]; then
    show_unit "$unit" || fail unit "$unit" "$shown"
    found=$shown
  fi
  shown=$found sources='' refers=''
  load=$(property LoadState)
  fragment=$(property FragmentPath)
  until [ "$1" = -- ]; do
    if [ -z "$fragment" ] && [ "$load" != not-found ] && exists "$1/$unit"; then fragment=$1/$unit; fi
    shift
  done
  shift
  if [ -n "$fragment" ]; then unit_source file "$fragment"; fi
  drop_ins=$(property DropInPaths)
  case $load:$drop_ins in
    loaded:*[\"\'\\]*) ;;
    loaded:*)
      # shellcheck disable=SC2086 # Parted by blanks.
      set -- $drop_ins
      for path; do unit_source dropIn "$path"; done
      set --
      ;;
  esac
  set +f
  for folder; do
    for path in "$folder"/*.conf; do
      if exists "$path"; then unit_source dropIn "$path"; fi
    done
  done
  set -f
  case $shown in *EnvironmentFiles=/*) find_environment ;; esac
  printf 'unitFiles end\n'
}

find_environment() {
  IFS=$newline
  # shellcheck disable=SC2086 # Parted by newlines.
  if grep -q '^[^#;]*\$' -- $sources; then refers=1; fi
  for line in $shown; do
    case $line in
      EnvironmentFiles=*' (ignore_errors='*) ;;
      *) continue ;;
    esac
    line=${line#*=}
    optional=${line##*=}
    set +f
    IFS=
    # A pattern expands to all files that it matches.
    for path in ${line%' (ignore_errors='*}; do environment_source "${optional%)}" "$path"; done
    set -f
  done
  unset IFS
}

# USER GROUP: reports their numeric IDs. Without GROUP, the user's primary group counts.
probe_account() {
  account=none
  if user=$(id -u -- "$1" 2>/dev/null); then
    if [ -z "$2" ]; then
      account="$user $(id -g -- "$1")"
    else
      while IFS=: read -r name _ group _; do
        if [ "$name" = "$2" ]; then account="$user $group"; fi
      done </etc/group
      # Other sources than the file, if `getent` is installed.
      if [ "$account" = none ] && name=$(getent group "$2" 2>/dev/null); then
        name=${name#*:*:}
        account="$user ${name%%:*}"
      fi
    fi
  fi
  printf 'account %s\n' "$account"
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

# PATH FILTER: reports the content of a regular file. Other kinds are skipped: reading a pipe would
# block, and a link may point anywhere.
read_file() {
  if ! [ -f "$1" ] || [ -L "$1" ]; then
    reachable "$1"
    printf 'content -\n'
  elif [ -r "$1" ]; then
    check_length "$1"
    printf 'content '
    if [ "$2" = whole ]; then base64 -w0 <"$1"; else $2 <"$1" | base64 -w0; fi
    printf '\n'
  else
    fail permissionDenied "$1" 'permission denied'
  fi
}

certificates() {
  inside=
  end=$newline
  # The last line may lack a newline.
  while IFS= read -r line || { end= && [ -n "$line" ]; }; do
    case $line in
      '-----BEGIN CERTIFICATE-----'*) inside=1 ;;
      # A truncated certificate ends here, too.
      '-----BEGIN '*) inside= ;;
    esac
    if [ -n "$inside" ]; then printf '%s%s' "$line" "$end"; fi
    case $line in '-----END '*) inside= ;; esac
  done
}

# Prints a digest of the public part of a private key, by the rule of `transport/public_part.rs`, or
# nothing if none is found. The digits of the key pass only through pipes.
public_part() {
  digest=$(sed -n '/^-----BEGIN .*PRIVATE KEY-----/,/^-----END/{/^-----END/q;/^-----/!p;}' | base64 -di 2>/dev/null |
    od -An -v -tx1 | tr -d ' \n' | sed -nE \
      -e 's/^(3082.{4}020100300d06092a864886f70d01010105000482.{4})?3082.{4}020100(028181|0282.{4})00//' -e 't rsa' \
      -e 's/^30.*a1(44034200|64036200|818903818600)(04(.{128}|.{192}|(.{132}){2}))$/\2/p' -e b \
      -e ':rsa' -e 's/0203010001.*//p' | sha256sum)
  # The digest of empty input.
  case $digest in e3b0c44298fc1c149afbf4c8996fb924*) ;; *) printf %s "${digest%% *}" ;; esac
}
