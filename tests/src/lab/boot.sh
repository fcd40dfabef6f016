# Runs a command in the given control group, so that it can be killed with all its children.
# Arguments: the control group, the command.
echo $$ >"$1/cgroup.procs" && shift && exec "$@"
