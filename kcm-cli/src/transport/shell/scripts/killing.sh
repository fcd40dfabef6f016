# Killing of a service, as in a crash.

# UNIT DELAY: arms the timer first, because not every Restart= restarts a killed service.
kill_unit() {
  arm_unit "$1" "$2"
  ended=$(systemctl -p MainPID --value -- show "$1" 2>/dev/null)
  words=$(systemctl --quiet --signal=KILL --kill-who=main -- kill "$1" 2>&1) || fail unit "$1" "$words"
  while [ "${ended:-0}" != 0 ] && [ -d "/proc/$ended" ]; do sleep 0.02; done
  printf 'gone %s\n' "$(date +%s.%N)"
}
