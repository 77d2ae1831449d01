# The guard of one server. It runs in a session of its own; its standard input is a pipe that only the owner
# holds, so the end of that pipe means that the owner is gone, however it died. Then everything the guard has
# started is ended and the server's folder deleted. One command a line, each answered with "ok":
#   start                 runs $dir/run; its exit status is written to $dir/exited when it ends
#   signal NAME           to every process of the server
#   end NAME TENTHS       NAME to the main process ($dir/pid), and KILL to whatever is left after that time
#   watch PID / forget    a process group the owner started itself: killed with the owner
# $1: the folder. $2: the signal tried before KILL at the very end.
dir=$1 last=$2 watched= runner=

# Caught, not ignored: children get the default back. A signal ends the loop below, as the end of the pipe does.
trap : HUP INT TERM PIPE

# Sets $pids: the live processes of our session, and descendants of it that made a session of their own. Without
# the runner: it lives until it has reaped the main process, which else would stay a zombie for as long as init
# likes, and PostgreSQL takes a zombie for a running server.
family() {
  pids= seen=" $$ $runner " more=yes
  while [ "$more" ]; do
    more=
    for stat in /proc/[0-9]*/stat; do
      { read -r line <"$stat"; } 2>/dev/null || continue
      pid=${line%% *}
      case $seen in *" $pid "*) continue ;; esac
      set -- ${line##*) } # the name may hold blanks; after it: state, parent, group, session
      [ "$1" != Z ] || continue
      case $seen in *" $2 "*) ;; *) [ "$4" = $$ ] || continue ;; esac
      seen="$seen$pid " pids="$pids $pid" more=yes
    done
  done
}

start() {
  rm -f "$dir/exited" "$dir/pid"
  (sh "$dir/run"; echo $? >"$dir/exited") </dev/null >>"$dir/log" 2>&1 &
  runner=$!
}

end() {
  main=
  [ ! -e "$dir/pid" ] || read -r main <"$dir/pid" # its end of line may be missing: a failure says nothing
  family
  if [ "$1" != KILL ] && lives; then
    kill -s "$1" "$main"
    tenths=$2
    while [ "$tenths" -gt 0 ] && family && lives; do sleep 0.1; tenths=$((tenths - 1)); done
  fi
  rounds=500
  while [ $rounds -gt 0 ] && family && [ "$pids" ]; do
    kill -s KILL $pids
    sleep 0.02
    rounds=$((rounds - 1))
  done
  [ "$pids" ] || wait
}

# Whether the main process is among the family just looked up.
lives() {
  case "$pids " in *" ${main:-none} "*) true ;; *) false ;; esac
}

while read -r command name tenths; do
  case $command in
    start) start ;;
    signal) family; [ -z "$pids" ] || kill -s "$name" $pids ;;
    end) end "$name" "$tenths" ;;
    watch) watched=$name ;;
    forget) watched= ;;
  esac
  echo ok
done
[ -z "$watched" ] || kill -s KILL -- "-$watched"
end "$last" 30
rm -rf -- "$dir"
