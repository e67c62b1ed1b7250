#!/usr/bin/env bash
# The Debian package: jobs/package/nrmflow.def, section by section as Apptainer runs it, builds it on one bare Debian 12 and
# installs it on another one, where a user computes with two ranks. Needs root and 2 GB in $TMPDIR; takes minutes (label
# slow).
set -euo pipefail
. "$(dirname "$0")/debian.sh"
definition=$checkout/jobs/package/nrmflow.def

# Lines of a section of stage 1 or 2: section STAGE NAME
section() {
    awk -v stage="$1" -v name="%$2" '
        /^Bootstrap:/ { n++; on = 0 }
        /^%/ { on = $1 == name && n == stage; next }
        on && NF { print }' "$definition"
}

# Copy what a stage asks for: copy_files STAGE FROM TO
copy_files() {
    local from to
    section "$1" files | while read -r from to; do
        mkdir -p "$(dirname "$3/$to")"
        cp -a "$2/$from" "$3/$to"
    done
}

run_section() {
    debian_run "$1" sh -ec "$(section "$2" "$3")"
}

# What an installation must do, as a user who is not root.
use() {
    debian_run "$1" useradd --create-home user
    debian_run "$1" runuser -u user -- sh -exc '
        cd
        test "$(command -v nrmflow)" = /usr/bin/nrmflow
        nrmflow --version | grep -qx "build type        Release"
        mpirun --oversubscribe -n 2 nrmflow run /usr/share/nrmflow/demo/demo.ini --set data.images=0:200 --output demo.h5
        nrmflow info demo.h5 --json | grep -q "\"complete\": true"
        nrmflow report demo.h5 --images /usr/share/nrmflow/demo/demo.ini --set data.images=0:200
        test -s demo.html
        for page in nrmflow nrmflow-run nrmflow-info; do test -e /usr/share/man/man1/$page.1; done
        bash -ec ". /usr/share/bash-completion/completions/nrmflow; complete -p nrmflow"
        test -s /usr/share/zsh/vendor-completions/_nrmflow'
}

# A modulefile loads an installation wherever that has been moved.
load_module() {
    debian_run "$1" apt-get update -q
    debian_run "$1" apt-get install -y -q --no-install-recommends environment-modules
    debian_run "$1" bash -ec '
        cmake --install /build --prefix /opt/first >/dev/null
        mv /opt/first /opt/second
        . /etc/profile.d/modules.sh
        module use /opt/second/share/nrmflow/modulefiles
        module load nrmflow
        test "$(command -v nrmflow)" = /opt/second/bin/nrmflow
        nrmflow info --help >/dev/null
        test "$NRMFLOW_EXAMPLES" = /opt/second/share/nrmflow
        module unload nrmflow
        ! command -v nrmflow'
}

inside() {
    local build=$1/build clean=$1/clean
    git clone --quiet "$checkout" "$1/clone"
    debian_make "$build"
    copy_files 1 "$1/clone" "$build"
    run_section "$build" 1 post
    dpkg-deb --info "$build/nrmflow.deb"
    load_module "$build"

    debian_make "$clean"
    copy_files 2 "$build" "$clean"
    run_section "$clean" 2 post
    run_section "$clean" 2 test
    use "$clean"
    debian_run "$clean" apt-get purge -y -q nrmflow
    ! debian_run "$clean" sh -c 'command -v nrmflow || ls -d /usr/share/nrmflow'
}

debian_main "$@"
