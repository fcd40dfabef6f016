# Streaming of a journal. Not part of a batch: it prints entries as they come, and holds no lock.

LC_ALL=C SYSTEMD_COLORS=0 SYSTEMD_PAGER=
export LC_ALL SYSTEMD_COLORS SYSTEMD_PAGER
PATH=/usr/sbin:/usr/bin:/sbin:/bin:${PATH:-}

# ARGUMENT…: runs journalctl with these arguments, until its last entry, or until standard input is
# silent for a minute. Then kcm is dead or disconnected.
read_journal() {
  exec 8<&0
  journalctl "$@" </dev/null 8<&- &
  reader=$!
  {
    while [ -n "$(timeout 60 head -c 1 <&8)" ]; do :; done
    kill "$reader"
  } >/dev/null 2>&1 &
  exec 8<&-
  wait "$reader"
}
