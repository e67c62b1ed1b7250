#!/usr/bin/env bash
# The README's two commands on a bare Debian 12: this checkout's last commit is cloned into a new system, and root runs
# both commands there. Needs root and a few GB in $TMPDIR; takes long (label slow).
set -euo pipefail
. "$(dirname "$0")/debian.sh"
commands=(jobs/demo.sh tests/run.sh)

inside() {
    local system=$1/system command
    debian_make "$system"
    git clone --quiet "$checkout" "$system/root/nrmflow"
    for command in "${commands[@]}"; do
        echo "newcomer: $command"
        SECONDS=0
        debian_run "$system" bash -c "cd /root/nrmflow && $command"
        echo "newcomer: $command took $SECONDS s"
    done
    du -sh --one-file-system "$system"
}

for command in "${commands[@]}"; do
    grep -qx "    $command" "$checkout/README.md" || { echo "README.md does not tell to run $command" && exit 1; }
done
debian_main "$@"
