# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh by what boots a guest: the options that boot.sh and qemu-boot.sh have in common.

# boot_options LETTERS ARGUMENT...: LETTERS are getopts' for what the caller has beyond those of both.
# Sets KERNEL_BIN, OUTDIR (new, absolute), SECONDS_MAX, ARGS, ENVS, JUDGE, QEMU_ARGS, GUEST, SCRIPT and
# SCRIPT_ARGS.
# shellcheck disable=SC2034 # for those who source it
boot_options() {
	local opt OPTIND=1 letters=k:o:t:a:e:r$1
	shift
	OUTDIR='' SECONDS_MAX=120 ARGS='' ENVS=() JUDGE=1 QEMU_ARGS=()
	while getopts "$letters" opt; do
		case $opt in
		k) KERNEL_BIN=$OPTARG ;;
		o) OUTDIR=$OPTARG ;;
		t) SECONDS_MAX=$OPTARG ;;
		a) ARGS=$OPTARG ;;
		e) ENVS+=("$OPTARG") ;;
		r) JUDGE=0 ;;
		q) read -ra QEMU_ARGS <<<"$OPTARG" ;;
		*) die "see the head of scripts/$(basename "$0") for its options" ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# -gt 0 ] || die "no script to run in the guest"
	SCRIPT=$1 SCRIPT_ARGS=("${@:2}")
	GUEST=${GUEST:-$(readlink -e "$BUILD/guest" || true)}
	[ -x "$GUEST/usr/bin/perl" ] || die "no guest root${GUEST:+ at $GUEST}; make guest builds it"
	[ -x "$TOP/$SCRIPT" ] || die "no executable $SCRIPT in $TOP"
	[ -n "$OUTDIR" ] || OUTDIR=$OUT/boot/$(basename "$SCRIPT")
	case $TOP$OUTDIR$GUEST in *[[:space:]\"]*) die "paths with blanks cannot be passed to the kernel: $TOP" ;; esac
	mkdir -p "$OUTDIR"
	OUTDIR=$(cd "$OUTDIR" && pwd -P)
	rm -f "$OUTDIR/status" "$OUTDIR/reports.txt"
}

# which_kernel: that it boots, of whose complaints some are known; a lane says which one is the other.
which_kernel() {
	if [ "$KERNEL_BIN" -ef "${UNPATCHED:-$BUILD/base/um/linux}" ]; then echo unpatched; else echo converted; fi
}
