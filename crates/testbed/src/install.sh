# Installs Debian packages without starting any server. $@: the packages.
# One process at a time: the others wait here and then find the packages there. This runs to its end, and puts
# policy-rc.d back, also when the process that started it is killed meanwhile.
policy=/usr/sbin/policy-rc.d saved=/usr/sbin/policy-rc.d.before-syncfleet
exec 9>/run/syncfleet-testbed-install.lock && flock 9 || exit 1
missing=
for package; do
  case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
    *' installed') ;;
    *) missing="$missing $package" ;;
  esac
done
[ "$missing" ] || exit 0

restore() {
  rm -f "$policy"
  if [ -e "$saved" ] || [ -h "$saved" ]; then mv "$saved" "$policy"; fi
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
# A saved one is from a run that was cut off by the power switch: it, not ours, is the one to restore.
if [ ! -e "$saved" ] && { [ -e "$policy" ] || [ -h "$policy" ]; }; then mv "$policy" "$saved"; fi
printf '#!/bin/sh\n# While syncfleet installs packages: start nothing.\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
# A mirror may be out of reach while the package is in the cache: let the installation decide.
apt-get -o DPkg::Lock::Timeout=300 update 9>&-
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing 9>&-
