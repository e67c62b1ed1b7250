#!/usr/bin/env bash
# A Slurm of this one machine, for as long as a command runs: `tests/slurm/cluster.sh COMMAND ...`, or `bash` for a look.
# Needs Debian's slurmctld, slurmd, slurm-client and munge (`jobs/setup.sh slurm`), neither systemd nor cgroups. Everything
# is in a temporary folder, with ports, key and socket of its own, so that it disturbs no other Slurm.
# Exit status: the command's; 77, with the reason, if Slurm cannot be started on this machine.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

skip() {
    echo "skipped: $*"
    exit 77
}

for tool in slurmctld slurmd sbatch srun munged python3; do
    command -v "$tool" >/dev/null || skip "it needs $tool (\`jobs/setup.sh slurm\` installs Slurm)"
done
[ $# -gt 0 ] || { echo "usage: tests/slurm/cluster.sh COMMAND ..." >&2 && exit 2; }

folder=$(mktemp -d -t slurm.XXXXXX)
daemons=()
cleanup() {
    local daemon
    # The last one started is the one the others need least; a job's processes end with scancel.
    [ -z "${SLURM_CONF:-}" ] || scancel --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 100); do
        [ -n "$(squeue -h 2>/dev/null)" ] || break
        sleep 0.2
    done
    for daemon in "${daemons[@]}"; do
        kill -TERM "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Start a daemon that stays in the foreground of this script.
daemon() {
    local name=$1
    "$@" </dev/null >>"$folder/log/$name.out" 2>&1 &
    daemons=($! "${daemons[@]}")
}

await() { # WHAT COMMAND ...
    local what=$1
    shift
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    cat "$folder"/log/* >&2
    skip "$what does not come up, its log is above"
}

read -r port_control port_node < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("", 0))
print(*(s.getsockname()[1] for s in sockets))')
host=$(hostname -s)
chmod 755 "$folder" # munged wants its socket to be reachable for all
mkdir "$folder"/{state,spool,log}
dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
chmod 600 "$folder/munge.key"
# A requeued job waits until the old one's credential has expired: 5 seconds instead of 120.
cat >"$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port_control
SlurmdPort=$port_node
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
MpiDefault=none
JobRequeue=1
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END

daemon munged --foreground --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
    --log-file="$folder/log/munged.log" --pid-file="$folder/munged.pid" --seed-file="$folder/munged.seed"
await munged munge --socket="$folder/munge.socket" --no-input
export SLURM_CONF=$folder/slurm.conf
daemon slurmctld -D
await slurmctld scontrol ping
daemon slurmd -D
idle() {
    sinfo -h -o %T | grep -qx idle
}
await slurmd idle
"$@"
