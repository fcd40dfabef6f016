# Detection of folders that other users can change: root follows no name through them.

# PATH…: finds the folders and links above the paths that other users than root and the login user
# can change. Sets `untrusted` to a line for each, outermost first: FOREIGN MODE UID GID PATH.
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

# FOLDER: adds the folder and all folders and links above it to `ways`, each once. Adds to `parents`
# the folder in which the first missing one would be created. Follows links one by one, because each
# has a folder to check.
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
        *"$newline"*) fail wrongKind "$at" 'is a symbolic link whose target contains a line break' ;;
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
  # sudo reports the login user; `Command` removes that if a password was needed.
  case ${is_root:+${SUDO_UID:-}} in '' | *[!0-9]*) ;; *) login=$SUDO_UID ;; esac
  case $3 in
    0 | "$effective" | "$login") ;;
    *)
      untrusted="$untrusted$newline""1 $2 $3 $4 $(encode "$path")"
      return
      ;;
  esac
  # The mode of a link has no meaning. In a sticky folder only the owner can rename an entry.
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

# GID: reports whether the login user is the only member of the group.
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

# PATH…: ends the batch if a folder above the paths is untrusted. Called before any write.
trust_folders() {
  find_untrusted "$@"
  case $untrusted in ?*) printf 'untrusted %s\n' "${untrusted#"$newline"}" && exit ;; esac
}
