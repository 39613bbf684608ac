#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make test: every lane, then one table and one closing line. Each lane leaves its results in
# out/results/LANE.tsv and its output in LANE.log; one that did not run counts as failed.
# LANES="igt mesa" runs just these (and what they need). make test-all has those, too, that compile for
# long: Mesa, debug kernels, kernels for QEMU; not for CI, whose time is limited. LOAD=2: beside as many
# processes that never wait, as on a machine that others use.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DIR=$OUT/results
# An empty cache has nothing to be found by what the preprocessor says, which costs a third of the
# time: go by what the compiler has read.
[ -e "$CCACHE_DIR" ] || export CCACHE_DEPEND=1
LANES=${LANES:-"fuzz kunit harness guest igt prime mesa panfrost panthor check"}
[ "$LANES" != all ] ||
	LANES="fuzz kunit kunit-debug harness guest igt prime prime-debug mesa gl clients panfrost panfrost-debug panthor panthor-debug ioctl-fuzz qemu-arm64 qemu-arm qemu-x86_64 qemu-x86_64-kcsan check"
unset BASE CONFIG RESULTS CONVERTED UNPATCHED GUEST BOOT

# What a lane runs; make's verbs but for the guest's check of itself.
command_of() {
	case $1 in
	source | kernel | fuzz | kunit | harness | igt | prime | mesa | gl | clients | panfrost | panthor | ioctl-fuzz | check) echo "scripts/$1.sh" ;;
	*-debug) echo "env CONFIG=debug scripts/${1%-debug}.sh" ;;
	qemu-x86_64-kcsan) echo "env CONFIG=kcsan scripts/qemu.sh x86_64 stress" ;;
	qemu-*-kernel) echo "scripts/qemu-kernel.sh $(arch_of "$1")" ;;
	qemu-*-base) echo "env BASE=1 scripts/qemu-kernel.sh $(arch_of "$1")" ;;
	qemu-*) echo "scripts/qemu.sh ${1#qemu-}" ;;
	panmesa) echo "scripts/panmesa.sh" ;;
	kernel-base) echo "env BASE=1 scripts/kernel.sh" ;;
	guest-root) echo "scripts/guest.sh" ;;
	clients-root) echo "scripts/guest.sh clients" ;;
	guest) echo "scripts/guest.sh test" ;;
	*) die "there is no lane $1" ;;
	esac
}

# arch_of qemu-ARCH-WHAT
arch_of() {
	local arch=${1#qemu-}
	printf '%s\n' "${arch%-*}"
}

# run_lane NAME: its status and time in NAME.end.
run_lane() {
	local log=$DIR/$1.log started status=0 words
	started=$(date +%s)
	stage "$1 ..."
	read -ra words <<<"$(command_of "$1")"
	"${words[@]}" >"$log" 2>&1 </dev/null || status=$?
	printf '%s %s\n' $(($(date +%s) - started)) "$status" >"$DIR/$1.end"
	if [ $status = 0 ]; then
		stage "$1: $(($(date +%s) - started)) s, ok"
	else
		stage "$1: $(($(date +%s) - started)) s, FAILED; log: $log"
	fi
	return $status
}

# build_step NAME: a lane of the table's first line, which has no results of its own.
build_step() {
	local reason
	if run_lane "$1"; then
		printf 'PASS\tbuild\t%s\n' "$1" >>"$DIR/build.tsv"
		return
	fi
	reason=$(grep -av '^  log: ' "$DIR/$1.log" | tail -n1 | tr '\t' ' ')
	printf 'FAIL\tbuild\t%s\t%s; log: %s\n' "$1" "$reason" "$DIR/$1.log" >>"$DIR/build.tsv"
	return 1
}

# Says every minute what is going on, until it is ended.
heartbeat() {
	local lane
	while sleep 60 >/dev/null 2>&1; do
		for lane in $STEPS $LANES; do
			if [ -e "$DIR/$lane.log" ] && [ ! -e "$DIR/$lane.end" ]; then
				stage "$lane: $(tail -n1 "$DIR/$lane.log" | cut -c1-100)"
			fi
		done
	done
}

# steps: what has to be there before the lanes run, in order. QEMU's lanes need kernels of their
# own, and most of them nothing else.
steps() {
	local lane found=' '
	for lane in $LANES; do
		case $lane in
		qemu-x86_64-kcsan) ;;
		qemu-x86_64) found+="guest-root $lane-kernel $lane-base " ;;
		qemu-*) found+="$lane-kernel $lane-base " ;;
		fuzz) ;;
		harness) found+="kernel kernel-base " ;;
		ioctl-fuzz) found+="guest-root kernel-base " ;;
		gl) found+="guest-root kernel kernel-base panmesa " ;;
		clients) found+="kernel kernel-base clients-root qemu-x86_64-kernel qemu-x86_64-base " ;;
		*) found+="guest-root kernel kernel-base " ;;
		esac
	done
	for lane in guest-root kernel kernel-base panmesa $found; do
		case $found in *" $lane "*) echo "$lane" ;; esac
	done | awk '!seen[$0]++'
}

# The guest's root is fetched while the kernels compile.
build() {
	local ok=0 step root=''
	build_step source || return
	for step in $STEPS; do
		if [ "$step" = guest-root ]; then
			build_step guest-root &
			root=$!
		elif [ "$step" != source ]; then
			build_step "$step" || ok=1
		fi
	done
	[ -z "$root" ] || wait "$root" || ok=1
	return $ok
}

# start_check: in a process group of its own. What boots goes first, the compilers get what is left
# of the machine, and nothing while kernels run that are slow enough for a GPU's jobs to time out,
# or while a lane runs again what failed.
start_check() {
	set -m
	(renice -n 10 "$BASHPID" >/dev/null && run_lane check) &
	CHECK=$!
	set +m
}

# signal_check SIGNAL
signal_check() { [ -z "$CHECK" ] || kill "-$1" -- "-$CHECK" 2>/dev/null || true; }

lanes() {
	local lane
	case " $LANES " in *' check '*) start_check ;; esac
	for lane in $LANES; do
		case $lane in
		check) ;;
		*-debug | ioctl-fuzz)
			# Not while it has the source, which the lane waits for.
			exec 9>"$BUILD/source.lock"
			flock 9
			signal_check STOP
			exec 9>&-
			run_lane "$lane" || true
			;;
		*) BESIDE=$CHECK run_lane "$lane" || true ;;
		esac
		# A lane that ended early may have left it stopped.
		signal_check CONT
	done
	if [ "$CHECK" ]; then
		# Nothing of ours is before it any more; what others compute is not to starve it.
		renice -n 0 -g "$CHECK" >/dev/null 2>&1 || true
		wait "$CHECK" || true
	fi
	CHECK=''
}

cd "$TOP"
for lane in $LANES; do command_of "$lane" >/dev/null; done
STEPS="source $(steps | tr '\n' ' ')"
rm -rf "$DIR"
mkdir -p "$DIR"
heartbeat &
for _ in $(seq "${LOAD:-0}"); do sha256sum /dev/zero & done
CHECK=''
trap 'signal_check CONT; signal_check TERM; kill $(jobs -p) 2>/dev/null || true' EXIT
if build; then lanes; fi
# shellcheck disable=SC2046 # the heart beat, and the load
kill $(jobs -p) 2>/dev/null || true
# shellcheck disable=SC2086 # words are meant
scripts/report.py table "$DIR" build $LANES
