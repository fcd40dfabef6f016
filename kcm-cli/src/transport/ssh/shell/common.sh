# The meaning of a batch on a master: one function for every operation, for a POSIX shell with coreutils, util-linux
# and systemctl. kcm sends this text, then the calls that make up the batch, then the bytes of the files.
#
# Everything is said on standard output in lines of words, at the end (`answer`). What may hold a blank or a newline is
# said in base64. Content is never in a variable or an argument: `head` carries it from standard input to its file.
#
# Options come before everything else: after a word that is none, somebody's POSIXLY_CORRECT makes words of them.

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
# Every process costs milliseconds; this takes none.
while read -r name _ effective _; do
  if [ "$name" = Uid: ]; then
    if [ "$effective" = 0 ]; then is_root=1 state=/run/kcm; fi
    break
  fi
done </proc/self/status

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
