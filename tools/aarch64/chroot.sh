#!/bin/sh
# An arm64 Debian 12 under qemu's user emulation, in a folder outside the repository.
#
#   tools/aarch64/chroot.sh make FOLDER             debootstrap, both stages; nothing where it is made already
#   tools/aarch64/chroot.sh run FOLDER COMMAND ...  run a command in it; /proc and /dev are mounted while it runs
#
# Needs root on Linux, and: apt-get install qemu-user-static debootstrap binfmt-support
# QEMU_CPU names the processor that is emulated: cortex-a57, cortex-a72 (if unset) or cortex-a76. Inference runtimes choose
# their kernels by /proc/cpuinfo and /sys/devices/system/cpu too, so those of the PC would switch kernels off or crash them:
# a command sees what Linux shows on such a processor.
set -eu

MIRROR=${MER_DEBIAN_MIRROR:-http://deb.debian.org/debian}
BINFMT=/proc/sys/fs/binfmt_misc

fail() {
    echo "check-aarch64: $1" >&2
    exit 2
}

# Whether the kernel can start arm64 programs, once everything that can be done here was done.
ready() {
    [ "$(uname -s)" = Linux ] || fail "this is $(uname -s); an arm64 system is emulated on Linux only"
    [ "$(uname -m)" != aarch64 ] || fail "this machine is aarch64 itself: run mer verify on the bundles, see docs/ship/devices.md"
    [ "$(id -u)" = 0 ] || fail "making and entering a chroot needs root; run it as root (in a container, with --privileged)"
    for tool in debootstrap qemu-aarch64-static unshare chroot; do
        command -v "$tool" >/dev/null || \
            fail "$tool is missing; apt-get install qemu-user-static debootstrap binfmt-support"
    done
    [ -e "$BINFMT/register" ] || mount -t binfmt_misc binfmt_misc "$BINFMT" 2>/dev/null || \
        fail "binfmt_misc cannot be mounted on $BINFMT; this kernel or container does not allow it"
    [ -e "$BINFMT/qemu-aarch64" ] || update-binfmts --enable qemu-aarch64 2>/dev/null || true
    [ -e "$BINFMT/qemu-aarch64" ] || \
        fail "qemu-aarch64 is not registered in $BINFMT; apt-get install --reinstall qemu-user-static binfmt-support"
}

make_chroot() {
    root=$1
    [ ! -e "$root/.ready" ] || return 0
    echo "check-aarch64: making an arm64 Debian 12 in $root, about five minutes" >&2
    rm -rf "$root.part"
    mkdir -p "$root.part"
    debootstrap --foreign --arch=arm64 --variant=minbase --include=python3,python3-venv bookworm "$root.part" "$MIRROR" \
        >"$root.log" 2>&1 || fail "debootstrap failed, see $root.log"
    # debootstrap mounts /proc; in a namespace of its own nothing stays mounted, however it ends.
    unshare --mount chroot "$root.part" /debootstrap/debootstrap --second-stage >>"$root.log" 2>&1 || \
        fail "the second stage of debootstrap failed, see $root.log"
    rm -rf "$root.part/var/cache/apt" "$root.part/var/lib/apt/lists"
    touch "$root.part/.ready"
    mv "$root.part" "$root"
}

# What Linux shows of every processor, as the boards' kernels print it.
cpuinfo() {
    common="fp asimd evtstrm"
    case $1 in
        cortex-a57) part=0xd07 features="$common aes pmull sha1 sha2 crc32 cpuid" ;;
        cortex-a72) part=0xd08 features="$common crc32 cpuid" ;;
        cortex-a76) part=0xd0b
            features="$common aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp" ;;
    esac
    for number in $(seq 0 $(($(nproc) - 1))); do
        printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: %s\nCPU implementer\t: 0x41\n' "$number" "$features"
        printf 'CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: %s\nCPU revision\t: 3\n\n' "$part"
    done
}

enter() {
    root=$1 cpu=${QEMU_CPU:-cortex-a72}
    shift
    [ -e "$root/.ready" ] || fail "$root is no chroot made by this script; run it with 'make' first"
    case $cpu in
        cortex-a57 | cortex-a72 | cortex-a76) ;;
        *) fail "QEMU_CPU is $cpu; allowed are cortex-a57, cortex-a72, cortex-a76" ;;
    esac
    mkdir -p "$root/sys/devices/system/cpu"
    for list in possible present online; do
        echo "0-$(($(nproc) - 1))" >"$root/sys/devices/system/cpu/$list"
    done
    cpuinfo "$cpu" >"$root/run/cpuinfo"
    # shellcheck disable=SC2016  # expanded inside the namespace
    exec unshare --mount sh -c '
        root=$1; shift
        mount -t proc proc "$root/proc" && mount --bind "$root/run/cpuinfo" "$root/proc/cpuinfo" &&
            mount --rbind /dev "$root/dev" && exec chroot "$root" "$@"
    ' sh "$root" env -i PATH=/usr/bin:/bin HOME=/root LANG=C.UTF-8 OMP_NUM_THREADS=1 "QEMU_CPU=$cpu" "$@"
}

[ $# -ge 2 ] || fail "usage: $0 make FOLDER, or $0 run FOLDER COMMAND ..."
what=$1
shift
case $what in
    make) ready; make_chroot "$1" ;;
    run) ready; enter "$@" ;;
    *) fail "there is no '$what'; it is make or run" ;;
esac
