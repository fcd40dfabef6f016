# Runs a command in a session and a control group of its own, so that it can be ended with all its children.
# Arguments: the control group, the command.
echo $$ >"$1/cgroup.procs" && shift && exec "$@"
