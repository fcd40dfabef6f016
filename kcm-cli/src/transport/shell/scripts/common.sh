# Implementation of batches on a master: one function for every operation. Needs a POSIX shell with
# coreutils, util-linux and systemctl. kcm sends this text, then the calls of the batch, then the
# bytes of the files.
#
# The output on standard output is lines of words, printed at the end (`answer`). Values that may
# contain a blank or a newline are in base64. Content is never in an argument, and only `execute`
# keeps it in a variable: `head` copies it from standard input to its file.
#
# Options come first: with POSIXLY_CORRECT set, a tool takes an option after an operand for an
# operand.

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
# Every process costs milliseconds; a shell loop needs none.
while read -r name _ effective _; do
  if [ "$name" = Uid: ]; then
    if [ "$effective" = 0 ]; then is_root=1 state=/run/kcm; fi
    break
  fi
done </proc/self/status

encode() { printf %s "$1" | base64 -w0; }

finish() { printf 'done\n'; }

# KIND PATH WORDS: ends the batch with a failure. KIND is - if WORDS determine it. Undoes a stage.
fail() {
  printf 'failed %s %s %s\n' "$1" "$(encode "$2")" "$(encode "$3")"
  if [ -n "${undo:-}" ]; then
    fail() { exit; }
    $undo
  fi
  exit
}

# PATH COMMAND…: runs a command that must succeed. PATH is the subject of its failure.
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
