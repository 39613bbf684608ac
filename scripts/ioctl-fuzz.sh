#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make ioctl-fuzz SECONDS=300 SEED=1: programs of ioctls and mappings (fuzz/calls.txt) on vgem, vkms, panfrost's
# model, udmabuf, dma-heap and dma-bufs, on User Mode Linux, by what KCOV says is new (guest/ioctl_fuzz.c), on a
# kernel that sees misuse: KASAN, lockdep, kmemleak, DMA API debugging. It starts with fuzz/corpus.txt and with what
# earlier runs on this machine kept. Whatever the kernel complains of is a failure; out/ioctl-fuzz/last is the
# program that ran when it died. What it kept then runs once on the unpatched kernel; what that one complains of,
# or dies of, is in expect/ioctl-fuzz.txt with its reason, or a failure, too. "ioctl-fuzz.sh corpus" makes
# fuzz/corpus.txt of what runs here kept: that which reaches the same by less. make test-all has it.
set -euo pipefail
LIMIT=$SECONDS
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/guest-lane.sh
. "$(dirname "$0")/guest-lane.sh"

[ "$LIMIT" -gt 1 ] || LIMIT=300
DIR=$OUT/ioctl-fuzz
KEPT=$CACHE/ioctl-fuzz/corpus
KERNEL_DIR=$BUILD/um-fuzz
EXPECT=$TOP/expect/ioctl-fuzz.txt

# fuzz_kernel: as scripts/kernel.sh has one with CONFIG=debug, and with KCOV for what is to be watched.
fuzz_kernel() {
	local key kept words fragments=("$TOP"/configs/{um,debug,fuzz}.config)
	read -rd '' -a words < <(instrumented KCOV_INSTRUMENT "${FLOORS[@]}" "${AROUND[@]}"; printf '\0')
	mkdir -p "$KERNEL_DIR"
	exec 8>"$KERNEL_DIR/.lock"
	flock 8
	key=$({ state_key "$LINUX"; cat "${fragments[@]}" "$TOP/scripts/tree.sh"; printf '%s\n' "${words[@]}"; compilers; } 2>&1 | sha256sum | cut -c1-24)
	kept=$CACHE/um-image/fuzz-$key
	if [ ! -s "$kept" ]; then
		stage "ioctl-fuzz: kernel -> ${KERNEL_DIR#"$TOP"/}/linux"
		kconfig "$KERNEL_DIR" um defconfig "${fragments[@]}"
		run "$KERNEL_DIR/build.log" kbuild "$KERNEL_DIR" um "${words[@]}" linux
		keep "$KERNEL_DIR/linux" "$kept"
	fi
	FUZZ_KERNEL=$kept
	exec 8>&-
}

# boot KERNEL DIR SECONDS
boot() {
	"$TOP/scripts/boot.sh" -r -k "$1" -o "$2" -t $(($3 + 900)) -a "dtb=$BUILD/mali/t860.dtb" guest/fuzz.sh \
		/mnt/build/guest-demo/ioctl_fuzz /mnt/fuzz/calls.txt "/mnt/out/ioctl-fuzz/seeds" "$3" "${SEED:-1}" /run/out || true
}

said() { tr -d '\r' <"$1/console.log" | sed -n 's/^ioctl_fuzz: \(.*\), done$/\1/p'; }

# judge NAME DIR: what the kernel complained of, or that the program did not get to its end.
judge() {
	if [ -s "$2/reports.txt" ]; then
		result FAIL "$1" "$(head -n1 "$2/reports.txt"); log: $2/console.log"
	elif [ -z "$(said "$2")" ]; then
		result FAIL "$1" "did not get to its end; log: $2/console.log, program: $2/last"
	else
		result PASS "$1" "$(said "$2")"
	fi
}

# where DIR: the innermost functions of the panic.
where() {
	tr -d '\r' <"$1/console.log" | awk '/Kernel panic - not syncing/ { on = 1 }
		on && $1 ~ /^\[</ && $2 != "?" { sub(/\+.*/, "", $2); printf "%s%s", n++ ? " < " : "", $2; if (n == 4) exit }'
}

# base_boot: the seeds on the unpatched kernel. Sets NEW, what it complains of and EXPECT does not say (EXTENDED
# REGULAR EXPRESSION<tab>REASON), and AT, the number of the program that it died of, if it did.
base_boot() {
	local known
	known=$(sed '/^#/d; /^$/d; s/\t.*//' "$EXPECT")
	rm -rf "$DIR/base"
	boot "$UNPATCHED" "$DIR/base" 0
	sed -i "s/^Kernel panic.*/& in $(where "$DIR/base")/" "$DIR/base/reports.txt"
	NEW=$(grep -vE -f <(printf '%s\n' "${known:-^\$}") "$DIR/base/reports.txt" || true)
	AT=''
	[ -z "$(said "$DIR/base")" ] || return 0
	AT=$(sed -n 's/^# program //p' "$DIR/base/last")
	[ -s "$DIR/base/reports.txt" ] || NEW="it did not get to its end"
}

# unpatched: all seeds. Behind one that it dies of the rest goes on.
unpatched() {
	local total deaths=0
	total=$(grep -c '^$' "$DIR/seeds")
	: >"$DIR/reports"
	while base_boot && [ -z "$NEW" ]; do
		cat "$DIR/base/reports.txt" >>"$DIR/reports"
		if [ -z "$AT" ] || [ $deaths = 50 ]; then break; fi
		deaths=$((deaths + 1))
		awk -v "last=$AT" 'BEGIN { RS = ""; ORS = "\n\n" } NR > last' "$DIR/seeds" >"$DIR/rest"
		mv "$DIR/rest" "$DIR/seeds"
	done
	if [ -n "$NEW$AT" ]; then
		result FAIL unpatched "${NEW:-died of too many programs}; log: $DIR/base/console.log, program: $DIR/base/last"
	else
		result PASS unpatched "$total programs, $(sort -u "$DIR/reports" | wc -l) known complaints, $deaths times the last one"
	fi
}

# seeds FILE...: what the programs start with.
seeds() { cat "$@" >"$DIR/seeds" 2>/dev/null || true; }

corpus() {
	seeds "$KEPT"
	stage "ioctl-fuzz: $(grep -c '^$' "$DIR/seeds") programs, by less"
	boot "$FUZZ_KERNEL" "$DIR" 0
	judge corpus "$DIR"
	[ "$LANE_FAILED" = 0 ] || return 0
	{ grep '^#' "$TOP/fuzz/corpus.txt"; cat "$DIR/corpus"; } >"$DIR/corpus.txt"
	cp "$DIR/corpus.txt" "$TOP/fuzz/corpus.txt"
}

programs() {
	seeds "$TOP/fuzz/corpus.txt" "$KEPT"
	stage "ioctl-fuzz: $LIMIT s, seed ${SEED:-1}"
	boot "$FUZZ_KERNEL" "$DIR" "$LIMIT"
	judge programs "$DIR"
	if [ "$LANE_FAILED" = 0 ]; then
		cp "$DIR/corpus" "$KEPT"
		cp "$DIR/corpus" "$DIR/seeds"
	fi
	unpatched_kernel
	stage "ioctl-fuzz: the same programs on the unpatched kernel"
	unpatched
}

lane ioctl-fuzz
"$TOP/scripts/source.sh"
kernel_packages
fuzz_kernel
"$TOP/scripts/guest.sh"
"$TOP/scripts/mali.sh"
guest_program ioctl_fuzz -static
rm -rf "$DIR"
mkdir -p "$DIR" "${KEPT%/*}"
case ${1:-programs} in
programs | corpus) "${1:-programs}" ;;
*) die "there is no ioctl-fuzz.sh $1" ;;
esac
lane_end
