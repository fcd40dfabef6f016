# Staging of files, and putting them in place.

# FOLDER: creates the folder and its missing parents; adds them to `made`, outermost first.
make_folders() {
  nearest "$1"
  [ -d "$at" ] || fail wrongKind "$at" 'not a directory; move the file away'
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

# FOLDER: removes the files in a stage folder. kcm creates no folders there; a foreign one causes a
# failure.
empty_folder() {
  set +f
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if exists "$entry"; then try "$entry" rm -f -- "$entry"; fi
  done
  set -f
}

# FOLDER…: removes folders with the files in them, durably.
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

# PATH…: makes the names of paths durable.
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

# FOLDER…: creates the stage folders, or empties existing ones.
stage_into() {
  for folder; do
    shift
    stage_folders="$stage_folders$folder$newline"
    if [ -d "$folder" ] && ! [ -L "$folder" ]; then
      try "$folder" chmod 0700 -- "$folder"
      empty_folder "$folder"
    elif exists "$folder"; then
      fail wrongKind "$folder" 'not a directory, but kcm stages files in a directory of this name; remove the file'
    else
      parent "$folder"
      make_folders "$parent"
      set -- "$@" "$folder"
    fi
  done
  if [ $# -gt 0 ]; then try "$1" mkdir -m 0700 -- "$@"; fi
}

# PATH SIZE: writes the next SIZE bytes of standard input to a private file.
stage_file() {
  words=$({ head -c "$2" >"$1"; } 2>&1) || fail - "$1" "$words"
}

# OWNER PATH…
stage_owner() {
  if [ -n "$is_root" ]; then try "$2" chown -- "$@"; fi
}

# MODE PATH…: called after the owner is set, so that no other user can read the files before.
stage_mode() { try "$2" chmod -- "$@"; }

# KEPT PATH: copies the file. With a hard link, removing one name would change the times of the
# other.
stage_kept() { try "$1" cp -- "$1" "$2"; }

# PATH…: makes the staged files durable before they are read back.
stage_sync() {
  IFS=$newline
  for folder in $made; do
    parent "$folder"
    set -- "$@" "$parent"
  done
  unset IFS
  try "$1" sync -- "$@"
}

# PATH…: sets `digests` to a line for each.
stage_digests() { digests=$(sha256sum -- "$@" 2>&1) || fail_each "$digests" sha256sum "$@"; }

# PATH DIGEST: fails if the file has another digest. Called in the order of the digests.
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

# FOLDERS: removes those that are empty, innermost first.
remove_made() {
  printf '%s' "$1" | tac | while IFS= read -r folder; do rmdir -- "$folder" 2>/dev/null || :; done
}

# PATH ARTIFACT: ends the batch if the path has another state. Called in the order of the survey.
expect() {
  look "$1"
  if [ "$artifact" != "$2" ]; then
    printf 'changed %s %s\n' "$(encode "$1")" "$artifact"
    exit
  fi
}

# UNIT DROPINS ENABLEMENT
expect_unit() {
  shown=$(systemctl -p DropInPaths -p UnitFileState -- show "$1" 2>&1) || fail unit "$1" "$shown"
  drop_ins=$(property DropInPaths)
  enablement "$1"
  case $enablement in enabled | disabled) ;; masked*) enablement=masked ;; *) enablement=absent ;; esac
  if [ "$drop_ins" != "$2" ] || [ "$enablement" != "$3" ]; then
    printf 'unitChanged %s %s %s\n' "$(encode "$1")" "$(encode "$drop_ins")" "$enablement"
    exit
  fi
}

# FOLDER…: creates private folders for second names.
keep_into() {
  for folder; do
    shift
    if ! [ -d "$folder" ]; then set -- "$@" "$folder"; fi
  done
  if [ $# -gt 0 ]; then
    try "$1" mkdir -m 0700 -- "$@"
    sync_parents "$@"
  fi
}

# PATH SECOND
keep() { try "$2" ln -fT -- "$1" "$2"; }

# PATH…: makes the second names durable.
keep_end() { sync_parents "$@"; }

# PATH…: removes files, durably; a missing one is not an error.
remove_files() {
  for path; do
    shift
    if exists "$path"; then set -- "$@" "$path"; fi
  done
  if [ $# -gt 0 ]; then
    try "$1" rm -f -- "$@"
    sync_parents "$@"
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
