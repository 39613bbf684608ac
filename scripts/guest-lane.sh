# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh and tree.sh by what runs in the guest: the kernels, the guest's own
# programs, and the lanes that run the same tests on the unpatched and on the converted kernel
# and compare them. CONVERTED and UNPATCHED name other kernel binaries than those built here.

COMPARE=$TOP/scripts/igt_results.py
# What boots a guest: boot.sh, or what takes the same arguments.
BOOT=${BOOT:-$TOP/scripts/boot.sh}
# What it runs there, before the directory of the tests.
IGT=(guest/igt.sh)
# And before a single one of ours.
ONE=(guest/one.sh)

# An interrupt does not reach what runs in the background; scripts/boot.sh then misses its parent.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

# converted_kernel, unpatched_kernel: have it, and set the variable of that name to it.
converted_kernel() {
	if [ -z "${CONVERTED:-}" ]; then
		BASE='' "$TOP/scripts/kernel.sh"
		CONVERTED=$(BASE='' um_dir)/linux
	fi
	[ -s "$CONVERTED" ] || die "no kernel at $CONVERTED"
}

unpatched_kernel() {
	if [ -z "${UNPATCHED:-}" ]; then
		BASE=1 "$TOP/scripts/kernel.sh"
		UNPATCHED=$(BASE=1 um_dir)/linux
	fi
	[ -s "$UNPATCHED" ] || die "no unpatched kernel at $UNPATCHED"
	export UNPATCHED
}

# guest_program NAME [SOURCE|GCC_OPTION]...: guest/NAME.c as build/guest-demo/NAME.
guest_program() {
	local source=$TOP/guest/$1.c program=$BUILD/guest-demo/$1
	shift
	if [ -x "$program" ] && [ -z "$(find "$TOP"/guest/*.[ch] -newer "$program")" ]; then return 0; fi
	need gcc libc6-dev libdrm-dev
	mkdir -p "${program%/*}"
	run "$BUILD/log/guest-${program##*/}.log" gcc -O2 -Wall -Wextra -Werror -I/usr/include/libdrm \
		-o "$program.new" "$source" "$@"
	mv "$program.new" "$program"
}

# demo_program, frames_program: guest/demo.c and guest/frames.c, static: this machine's C library is not
# the guest's.
demo_program() { guest_program demo "$TOP/guest/kms.c" -static "-I$TOP/igt-tests/compat"; }
frames_program() { guest_program frames "$TOP/guest/kms.c" -static; }

# judge_checks WHAT DIR: a guest's script left one "PASS|FAIL NAME REASON" line a check in
# DIR/checks; they and the kernel's reports are results.
judge_checks() {
	local verdict check reason
	if [ ! -s "$2/checks" ]; then
		result FAIL "$1: boot" "no check ran; log: $2/console.log"
		return
	fi
	grep -qx 'PASS ends' "$2/checks" ||
		result FAIL "$1: ends" "the guest ended before its last check; log: $2/console.log"
	while read -r verdict check reason; do
		[ "$verdict" = PASS ] || reason="$reason (in $2)"
		result "$verdict" "$1: $check" "$reason"
	done <"$2/checks"
	judge_log "$1: kernel-log" "$2"
}

# judge_log NAME DIR: what the kernel reported there.
judge_log() {
	if [ ! -e "$2/reports.txt" ] || [ -s "$2/reports.txt" ]; then
		result FAIL "$1" "$(head -n1 "$2/reports.txt" 2>&1); log: $2/console.log"
	else
		result PASS "$1"
	fi
}

# igt_lane LANE DIRECTORY LIST EXPECT [BOOT OPTION...]: DIRECTORY as the guest sees it. LANE may
# be LANE/PART: then the results are PART/NAME of that lane. GUEST_READY=1: somebody has seen to
# the guest's root already. POINTS=N: more than N points of failure are wanted. UNCALLED=FILE:
# what never_called() reads. LANE_SECONDS: for a boot.
igt_lane() {
	local lane=$1 tests=$2 list=$3 expect=$4
	shift 4
	BOOT_OPTS=("$@")
	PART=''
	case $lane in */*) PART=${lane#*/}/ ;; esac
	lane "${lane%%/*}"
	converted_kernel
	unpatched_kernel
	[ -n "${GUEST_READY:-}" ] || "$TOP/scripts/guest.sh"
	LANE_OUT=$OUT/$lane
	alone "$LANE_OUT"
	LIST=$list
	TESTS=$tests
	local base=$LANE_OUT/base converted=$LANE_OUT/converted differs=0
	choose "$base" "$converted"
	stage "$lane: $(wc -l <"$base/binaries") tests on the converted and the unpatched kernel"
	run_igt converted "$CONVERTED" "$converted" &
	unpatched "${lane/\//-}" "$base"
	wait
	stage "$lane: $("$COMPARE" seconds "$converted") s in tests on the converted kernel, $("$COMPARE" seconds "$base") s on the unpatched"
	repeat igt_again "$base" "$converted" "$expect"
	judge_reports unpatched "$base"
	judge_reports converted "$converted"
	"$COMPARE" compare "$lane" "$base" "$converted" "$expect" "$RESULTS" "${AGAIN[@]}" || differs=1
	[ -z "${POINTS:-}" ] || judge_points "$POINTS" "$converted"
	if [ -n "${UNCALLED:-}" ] && [ -z "${T:-}" ]; then
		"$COMPARE" functions "$base" "$converted" >"$LANE_OUT/functions.txt"
		never_called "${PART}functions" "$UNCALLED" "$LANE_OUT/functions.txt"
	fi
	[ -n "$PART" ] || lane_summary
	LANE_FAILED=$((LANE_FAILED + differs))
	lane_end
}

# alone DIRECTORY: nobody else runs a lane there. What boots does not keep it.
alone() {
	mkdir -p "${1%/*}"
	exec 7>"$1.lock"
	flock -n 7 || die "another one runs in ${1#"$TOP"/}"
}

# boot_one KERNEL DIRECTORY ARGUMENTS BINARY SUBTEST
boot_one() {
	rm -rf "$2"
	"$TOP/scripts/boot.sh" -r -k "$1" -o "$2" -t 100 -a "$3" "${ONE[@]}" "/mnt/build/igt-tests/$4" --run-subtest "$5" \
		>/dev/null 2>&1 7>&- || true
}

# boot_base LANE DIRECTORY ARGUMENTS BINARY SUBTEST: on the unpatched kernel, which may hang until it is
# stopped: or what the same boot left before.
boot_base() {
	local kept LIST=/dev/null TESTS=/mnt/build/igt-tests/$4 BOOT_OPTS=("$3" "$4@$5")
	kept=$CACHE/baseline/${1//\//-}-$5-$(baseline_key)
	rm -rf "$2"
	if from_before "$kept" "$2"; then return; fi
	boot_one "$UNPATCHED" "${@:2}"
	! grep -aq "Starting subtest: $5" "$2/console.log" || keep_results "$2" "$kept"
}

# fatal_boots SUFFIX BINARY@SUBTEST...: each on both kernels, not all at once: a job has 500 ms; with a SUFFIX, one after the other. What they made
# of them is in baseSUFFIX and convertedSUFFIX. fatal_lane's lane, dir and arguments.
fatal_boots() {
	local suffix=$1 test kernel found
	shift
	for test in "$@"; do
		boot_base "$lane" "$dir/base$suffix-${test#*@}" "$arguments" "${test%@*}" "${test#*@}" &
		[ -z "$suffix" ] || wait
		boot_one "$CONVERTED" "$dir/converted$suffix-${test#*@}" "$arguments" "${test%@*}" "${test#*@}"
		wait
		PART=fatal/${test#*@}$suffix/ judge_reports converted "$dir/converted$suffix-${test#*@}"
	done
	for kernel in base converted; do
		found=()
		for test in "$@"; do found+=("igt@$test=$dir/$kernel$suffix-${test#*@}"); done
		"$COMPARE" record "$dir/$kernel$suffix" "${found[@]}"
	done
}

# fatal_lane LANE EXPECT ARGUMENTS BINARY@SUBTEST...: ours that take the unpatched kernel down, each in
# a boot of its own, on both kernels; what was not as it should be once more, alone.
fatal_lane() {
	local lane=$1 expect=$2 arguments=$3 dir=$OUT/$1 names more=()
	shift 3
	alone "$dir"
	fatal_boots '' "$@"
	mapfile -t names < <("$COMPARE" again "$dir/base" "$dir/converted" "$expect" | sed -n 's/^igt@//p')
	if [ ${#names[@]} -gt 0 ]; then
		stage "$lane: ${#names[@]} not as expected, once more: ${names[*]}"
		beside STOP
		fatal_boots -again "${names[@]}"
		beside CONT
		more=("$dir/base-again" "$dir/converted-again")
	fi
	"$COMPARE" compare "$lane" "$dir/base" "$dir/converted" "$expect" "$RESULTS" "${more[@]}" ||
		LANE_FAILED=$((LANE_FAILED + 1))
	lane_end
}

# judge_points WANTED DIR...: how many allocations and calls of functions were made to fail in these boots, each by itself? A kernel
# without fail-nth makes none fail, and the tests that want it skip. T=NAME leaves most of them out.
judge_points() {
	local wanted=$1 points
	shift
	points=$("$COMPARE" points "$@")
	if [ "$points" -gt "$wanted" ] || [ -n "${T:-}" ]; then
		result PASS "${PART:-}failure-points" "$points points of failure injected"
	else
		result FAIL "${PART:-}failure-points" "$points points of failure injected, more than $wanted are wanted"
	fi
}

# never_called NAME REASONS FILE...: of all functions that tests would have fail (igt_results.py functions), those
# that nobody calls on the converted kernel, less those that REASONS has a line for (FUNCTION<tab>REASON). NAME is
# the result's.
never_called() {
	local names
	names=$(awk '{ calls[$1] += $3 } END { for (name in calls) if (!calls[name]) print name }' "${@:3}" |
		sort | grep -vxFf <(sed -n 's/\t.*//p' "$2") | paste -sd' ' || true)
	if [ -n "$names" ]; then result FAIL "$1" "nobody calls $names"; else result PASS "$1"; fi
}

# T=BINARY@SUBTEST: just that.
choose() {
	local dir
	for dir in "$@"; do
		rm -rf "$dir"
		if [ -n "${T:-}" ]; then
			"$COMPARE" select "$LIST" "$dir" "$T"
		else
			"$COMPARE" select "$LIST" "$dir"
		fi
	done
}

run_igt() {
	"$BOOT" -r -k "$2" -o "$3" -t "${LANE_SECONDS:-540}" "${BOOT_OPTS[@]}" "${IGT[@]}" "$TESTS" 7>&- ||
		note "$1 kernel: the boot ended with status $?"
}

# The unpatched kernel's results change only with what goes in here.
baseline_key() {
	{
		sha256sum <"$UNPATCHED"
		printf '%s\n' "${T:-}"
		cat "$BUILD/guest.versions" "$LIST" "$TOP/guest/init" "$TOP/guest/igt.sh" "$TOP/${IGT[0]}" "$TOP/${ONE[0]}" "$BOOT" "$TOP/scripts/boot-options.sh" \
			"$TOP/expect/kernel-reports.txt"
		[ "${BOOT##*/}" = boot.sh ] || { cat "$TOP/scripts/qemu_boot.py"; qemu-system-x86_64 --version; }
		[ ! -d "$BUILD/csf/firmware" ] || find "$BUILD/csf/firmware" -type f -exec sha256sum {} + | cut -d' ' -f1
		# Wherever the project lies.
		printf '%s\n' "${BOOT_OPTS[@]//$TOP/}"
		case $TESTS in /mnt/*) (cd "$TOP" && find "${TESTS#/mnt/}" -type f -exec sha256sum {} + | sort) ;; esac
		sed -n "s|^/mnt/\([^[:space:]]*\).*|$TOP/\1|p" "$LIST" | xargs -r sha256sum | cut -d' ' -f1
		printf '%s\n' "${BOOT_OPTS[@]}" | tr ' ' '\n' | sed -n 's/^dtb=//p' | xargs -r sha256sum | cut -d' ' -f1
	} | sha256sum | cut -c1-16
}

# from_before KEPT DIR: the unpatched kernel's results of the same run before, if there are any.
from_before() {
	[ "${BASELINE:-}" != new ] && [ -s "$1/console.log" ] || return
	note "unpatched kernel: results kept from before ($1; BASELINE=new runs it)"
	mkdir -p "$2"
	cp "$1"/* "$2/"
	"$TOP/scripts/report.py" kernel-reports "$2/console.log" unpatched >"$2/reports.txt"
	touch "$1"
}

# keep_results DIR KEPT: for the next time. Of a name a handful of kernels ago is enough.
keep_results() {
	local dir=$1 kept=$2
	mkdir -p "$kept"
	find "$dir" -maxdepth 1 -type f \( -name results.json -o -name status -o -name subtests \) -exec cp {} "$kept/" \;
	cp "$dir/console.log" "$kept/"
	find "$CACHE/baseline" -maxdepth 1 -name "$(basename "${kept%-*}")-????????????????" -printf '%T@ %p\n' | sort -rn |
		sed '1,4d; s/^[^ ]* //' | xargs -r rm -rf
}

# unpatched LANE DIR: runs, or takes the results of the same run before. BASELINE=new runs. igt_lane's expect.
unpatched() {
	local kept
	kept=$CACHE/baseline/$1-$(baseline_key)
	if from_before "$kept" "$2"; then return; fi
	run_igt unpatched "$UNPATCHED" "$2"
	if [ ! -s "$2/results.json" ] || [ -n "${T:-}" ]; then return 0; fi
	# Where chance has a part in it, bad luck under load is not what this kernel does.
	! "$COMPARE" settled "$2" "$expect" || keep_results "$2" "$kept"
}

# repeat RUN BASE CONVERTED EXPECT: the binaries that were not as they should be, once or twice more and alone, on one
# kernel after the other: a guest's clock runs as the host lets it. A difference that stays is a difference.
# "RUN BASE CONVERTED NAME..." has them run and leaves results there. Sets AGAIN. LANE_OUT and PART are the caller's.
repeat() {
	local run=$1 base=$2 converted=$3 expect=$4 names=() try
	AGAIN=()
	for try in 1 2; do
		mapfile -t names < <("$COMPARE" again "$base" "$converted" "$expect" | grep .)
		[ ${#names[@]} -gt 0 ] || return 0
		if [ ${#names[@]} -gt 100 ]; then
			result FAIL "${PART}again" "${#names[@]} tests are not as they should be: too many to run them again"
			return
		fi
		stage "${LANE_OUT#"$OUT"/}: ${#names[@]} not as expected, once more: ${names[*]#igt@}"
		base=$LANE_OUT/base-again-$try
		converted=$LANE_OUT/converted-again-$try
		rm -rf "$base" "$converted"
		beside STOP
		"$run" "$base" "$converted" "${names[@]}"
		beside CONT
		AGAIN+=("$base" "$converted")
	done
}

# igt_again BASE CONVERTED NAME...: for repeat, as igt_lane runs them.
igt_again() {
	"$COMPARE" only "$1" "$LIST" "${@:3}"
	"$COMPARE" only "$2" "$LIST" "${@:3}"
	run_igt unpatched "$UNPATCHED" "$1"
	run_igt converted "$CONVERTED" "$2"
	judge_reports "unpatched-${1##*/base-}" "$1"
	judge_reports "${2##*/}" "$2"
}

# beside SIGNAL: for what scripts/test.sh has the compilers do beside the lanes.
beside() { [ -z "${BESIDE:-}" ] || kill "-$1" -- "-$BESIDE" 2>/dev/null || true; }

judge_reports() { judge_log "${PART:-}$1-kernel-log" "$2"; }

lane_summary() { note "$(tally '')"; }
