# Bare Debian 12 systems in folders, for tests that install things: sourced, by scripts that need root and debootstrap.
# A script calls debian_main "$@", which runs its function `inside FOLDER` in namespaces of its own, so that mounts and
# processes end with it, and removes FOLDER in the end. Package sources, proxies, keys and certificates are the host's,
# so that it works wherever the host's apt does.
# Exit status 77, with the reason: it cannot be done on this machine.
suite=bookworm
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
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
        # The package ca-certificates makes that file anew; npm still is to reach what the host's reaches.
        cp "$1/etc/ssl/certs/ca-certificates.crt" "$1/etc/ssl/host.crt"
    fi
}

# Make a system in a folder. Only from `inside`.
debian_make() {
    local system=$1 mirror
    mirror=$(package_sources | awk -v suite="$suite" '$2 == suite { print $1; exit }')
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    export http_proxy https_proxy
    debootstrap --variant=minbase "$suite" "$system" "$mirror"
    configure_apt "$system"
    mount -t proc proc "$system/proc"
    mount -t sysfs -o ro sysfs "$system/sys"
    mkdir -p "$system/dev/shm"
    mount -t tmpfs tmpfs "$system/dev/shm"
    mkdir -p "$system/dev/pts"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$system/dev/pts"
    ln -sf pts/ptmx "$system/dev/ptmx" # tests open terminals
}

# Root runs a command in a system: debian_run SYSTEM COMMAND ...
debian_run() {
    local system=$1 name machine=()
    [ ! -e "$system/etc/ssl/host.crt" ] || machine+=(NODE_EXTRA_CA_CERTS=/etc/ssl/host.crt)
    shift
    # What belongs to the machine, not to its user.
    for name in http_proxy https_proxy no_proxy OPENBLAS_CORETYPE OPENBLAS_L2_SIZE; do
        [ -z "${!name:-}" ] || machine+=("$name=${!name}")
    done
    env -i "${machine[@]}" HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$system" "$@" </dev/null
}

debian_cleanup() {
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" || true
    fi
    # Processes in it may still be ending.
    rm -rf --one-file-system "$folder" || { sleep 2 && rm -rf --one-file-system "$folder"; }
}

debian_main() {
    local tool status
    if [ "${1:-}" = --inside ]; then
        inside "$2"
        exit
    fi
    [ "$(id -u)" -eq 0 ] || skip "it needs root"
    for tool in debootstrap unshare git apt-get; do
        command -v "$tool" >/dev/null || skip "it needs $tool"
    done
    [ -n "$(package_sources)" ] || skip "apt has no package lists of Debian $suite here (\`apt-get update\` gets them)"
    child=
    folder=$(mktemp -d -t debian.XXXXXX)
    trap debian_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    echo "$(basename "$0"): $(git -C "$checkout" log -1 --format='%h %s')"
    unshare --mount --pid --fork --kill-child --mount-proc "$0" --inside "$folder" &
    child=$!
    wait "$child" && status=0 || status=$?
    child=
    exit "$status"
}
