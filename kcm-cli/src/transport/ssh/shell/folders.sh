# Folders that somebody else can change: root follows no name through them.

# PATH…: `untrusted` holds a line for each folder above them, or link on the way, that somebody else than root and the user who
# logged in can change, outermost first: FOREIGN MODE UID GID PATH.
find_untrusted() {
  ways=$newline followed=$newline parents=$newline untrusted=
  for path; do
    parent "$path"
    case $followed in *"$newline$parent$newline"*) ;; *) followed=$followed$parent$newline && follow "$parent" ;; esac
  done
  parents=$parents$followed
  IFS=$newline
  # shellcheck disable=SC2086 # One word a line.
  set -- $ways
  unset IFS
  if [ $# = 0 ]; then return; fi
  facts=$(stat -c '%f %a %u %g %n' -- "$@" 2>&1) || fail_each "$facts" stat "$@"
  IFS=$newline
  for line in $facts; do
    unset IFS
    judge_folder "$line" "${line#* * * * }"
  done
  unset IFS
}

# FOLDER: adds it and what leads to it to `ways`, each once, and to `parents` the folder in which the first one that is missing
# will be made. Links are followed one by one, because each is in a folder.
follow() {
  at='' rest=$1/ links=0
  while [ -n "$rest" ]; do
    name=${rest%%/*} rest=${rest#*/}
    case $name in
      '' | .) continue ;;
      ..) at=${at%/*} && continue ;;
    esac
    at=$at/$name
    if ! exists "$at"; then
      parent "$at"
      parents=$parents$parent$newline
      continue
    fi
    case $ways in *"$newline$at$newline"*) ;; *) ways=$ways$at$newline ;; esac
    if [ -L "$at" ]; then
      links=$((links + 1))
      [ "$links" -le 40 ] || fail - "$1" 'Too many levels of symbolic links'
      target=$(readlink -- "$at") || fail - "$at" "$target"
      case $target in
        *"$newline"*) fail wrongKind "$at" 'is a link with a line break in it' ;;
        /*) at= ;;
        *) at=${at%/*} ;;
      esac
      rest=$target/$rest
    fi
  done
}

# FACTS PATH
judge_folder() {
  facts=${1%" $2"} path=$2
  # shellcheck disable=SC2086 # Four numbers.
  set -- $facts
  login=-
  # sudo says who became root; `Command` takes that away where a password was needed.
  case ${is_root:+${SUDO_UID:-}} in '' | *[!0-9]*) ;; *) login=$SUDO_UID ;; esac
  case $3 in
    0 | "$effective" | "$login") ;;
    *)
      untrusted="$untrusted$newline""1 $2 $3 $4 $(encode "$path")"
      return
      ;;
  esac
  # Of a link the mode means nothing; in a folder with the sticky bit nobody can rename what is another's.
  case $1 in a???) return ;; esac
  case $2 in
    [1357]???) case $parents in *"$newline$path$newline"*) ;; *) return ;; esac ;;
  esac
  case $2 in
    *[2367]) ;;
    *[2367]?)
      if [ "$4" = 0 ] || private_group "$4"; then return; fi
      ;;
    *) return ;;
  esac
  untrusted="$untrusted$newline""0 $2 $3 $4 $(encode "$path")"
}

# GID: the group that the user who logged in is alone in.
private_group() {
  if [ "$login" = - ] || [ "$1" != "${SUDO_GID:-}" ]; then return 1; fi
  while IFS=: read -r name _ group members; do
    if [ "$group" = "$1" ]; then
      [ "$name:$members" = "${SUDO_USER:-}:" ]
      return
    fi
  done </etc/group
  return 1
}

# PATH…
check_folders() {
  find_untrusted "$@"
  IFS=$newline
  for line in $untrusted; do printf 'folder %s\n' "$line"; done
  unset IFS
  printf 'folder end\n'
}

# PATH…: before anything is written there.
trust_folders() {
  find_untrusted "$@"
  case $untrusted in ?*) printf 'untrusted %s\n' "${untrusted#"$newline"}" && exit ;; esac
}
