# Removes a lab: its processes, mounts, files and control groups. Does nothing if there is no lab.
# Arguments: the lab's state folder, its control group.
state=$1 cgroup=$2
if [ -d "$cgroup" ]; then
  echo 1 >"$cgroup/cgroup.kill"
  for _ in $(seq 1000); do
    grep -q '^populated 1' "$cgroup/cgroup.events" || break
    sleep 0.01
  done
fi
data=$(readlink "$state/data") && if [ -d "$data" ]; then
  for root in "$data"/*/root; do
    [ -d "$root" ] || continue
    # State that a killed machine leaves on the host.
    rm -f "/run/systemd/nspawn/locks/inode-$(stat -c %d:%i "$root")"
    rm -rf "/run/systemd/nspawn/propagate/kcm-lab-${state##*/}-$(basename "${root%/root}")"
  done
  for mounted in "$data"/*/root "$data"/*/opt; do
    mountpoint -q "$mounted" || continue
    umount "$mounted" 2>/dev/null || umount -l "$mounted"
  done
  rm -rf --one-file-system "$data"
fi
rm -f "$state/data" "$state/kept"
[ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} \;
