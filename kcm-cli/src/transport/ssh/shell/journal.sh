# A journal, as it comes. Not part of a batch: it says all at once what it has, and holds no lock.

LC_ALL=C SYSTEMD_COLORS=0 SYSTEMD_PAGER=
export LC_ALL SYSTEMD_COLORS SYSTEMD_PAGER
PATH=/usr/sbin:/usr/bin:/sbin:/bin:${PATH:-}

# ARGUMENTS of journalctl, which ends when it has said all, or when nobody has written to this for a minute: then
# kcm is gone, however that came about.
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
