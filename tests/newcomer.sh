#!/usr/bin/env bash
# The README's two commands on a bare Debian 12: debootstrap makes one in a temporary folder, this checkout's last commit
# is cloned into it, and root runs both commands there. Needs root and a few GB in $TMPDIR; takes long (label slow).
# Package sources, proxies, keys and certificates are the host's, so that it works wherever the host's apt does.
# Exit status 77, with the reason: it cannot be done on this machine.
set -euo pipefail
suite=bookworm
checkout=$(cd "$(dirname "$0")/.." && pwd)
commands=(jobs/demo.sh tests/run.sh)
export DEBIAN_FRONTEND=noninteractive

skip() {
    echo "skipped: $*"
    exit 77
}

# The host's sources of Debian's own packages for the suite, a line each: URI SUITE.
package_sources() {
    apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
        awk -v suite="$suite" '$1 == "Debian" && $2 == "main" && ($4 == suite || index($4, suite "-") == 1) { print $3, $4 }'
}

# apt of the new system reaches what the host's reaches.
configure_apt() {
    package_sources | sed 's/.*/deb & main/' >"$1/etc/apt/sources.list"
    apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' >"$1/etc/apt/apt.conf.d/90host"
    cp -a /etc/apt/trusted.gpg.d/. "$1/etc/apt/trusted.gpg.d/"
    cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
    if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
        install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
    fi
}

# In namespaces of its own: mounts and processes end with it.
inside() {
    local system=$1 mirror command name machine=()
    mirror=$(package_sources | awk -v suite="$suite" '$2 == suite { print $1; exit }')
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    export http_proxy https_proxy
    debootstrap --variant=minbase "$suite" "$system" "$mirror"
    configure_apt "$system"
    mount -t proc proc "$system/proc"
    mount -t sysfs -o ro sysfs "$system/sys"
    mkdir -p "$system/dev/shm"
    mount -t tmpfs tmpfs "$system/dev/shm"
    git clone --quiet "$checkout" "$system/root/nrmflow"

    # What belongs to the machine, not to its user.
    for name in http_proxy https_proxy no_proxy OPENBLAS_CORETYPE OPENBLAS_L2_SIZE; do
        [ -z "${!name:-}" ] || machine+=("$name=${!name}")
    done
    for command in "${commands[@]}"; do
        echo "newcomer: $command"
        SECONDS=0
        env -i "${machine[@]}" HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            chroot "$system" bash -c "cd /root/nrmflow && $command" </dev/null
        echo "newcomer: $command took $SECONDS s"
    done
    du -sh --one-file-system "$system"
}

cleanup() {
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" || true
    fi
    # Processes in it may still be ending.
    rm -rf --one-file-system "$system" || { sleep 2 && rm -rf --one-file-system "$system"; }
}

if [ "${1:-}" = --inside ]; then
    inside "$2"
    exit
fi

[ "$(id -u)" -eq 0 ] || skip "it needs root"
for tool in debootstrap unshare git apt-get; do
    command -v "$tool" >/dev/null || skip "it needs $tool"
done
[ -n "$(package_sources)" ] || skip "apt has no package lists of Debian $suite here (\`apt-get update\` gets them)"
for command in "${commands[@]}"; do
    grep -qx "    $command" "$checkout/README.md" || { echo "README.md does not tell to run $command" && exit 1; }
done

child=
system=$(mktemp -d "${TMPDIR:-/tmp}/newcomer.XXXXXX")
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
echo "newcomer: $(git -C "$checkout" log -1 --format='%h %s')"
unshare --mount --pid --fork --kill-child --mount-proc "$0" --inside "$system" &
child=$!
wait "$child" && status=0 || status=$?
child=
exit "$status"
