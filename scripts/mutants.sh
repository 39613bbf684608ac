#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make mutants: small bugs (scripts/mutants.py), one at a time, and whether tests find them. All that fit
# into the list, by its user-space tests; SAMPLE=100 that compile of those that fit into the rest of the floors,
# by KUnit on User Mode Linux and, if that finds nothing, the lanes prime and panfrost (as T860). What was tried
# stays in build/mutants and is not tried again. What no test finds is in mutations/survivors-*.txt, each with
# the reason, or it is an error. JOBS=N: so many of the list at a time. Slow; not part of make test.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tree.sh
. "$(dirname "$0")/tree.sh"
# shellcheck source=scripts/floors.sh
. "$(dirname "$0")/floors.sh"

SAMPLE=${SAMPLE:-0}
DIR=$BUILD/mutants
MUTANTS=$TOP/scripts/mutants.py
TESTS=tools/testing/dma-runs
LIST=("${FLOORS[0]}" include/linux/dma-runs.h)
REST=("${FLOORS[@]:1}" include/drm/drm_gem_bo_backing.h "${FUNCTIONS[@]}")
# So many have to compile; of the rest SAMPLE.
LIST_WANTED=1000

# program DIR NAME OPTION...
program() {
	local dir=$1 name=$2
	shift 2
	(cd "$dir/$TESTS" && gcc -O1 -std=gnu11 -w -Iinclude -I../../include -I../../include/uapi \
		-DDMA_RUNS_STOP "$@" -o "$name" dma_runs.c) >/dev/null 2>&1
}

# try_list DIR: found, survived or broken. First the tests that are compiled in no time, which find most, then
# those that see more. Some bugs never come to an end; the limits are a few times what the list takes without one.
try_list() {
	local wide=(-DCONFIG_PHYS_ADDR_T_64BIT -DCONFIG_DMA_API_DEBUG=1)
	local checked=(-DSMALL_PAGES=5 "-fsanitize=address,undefined" -fno-sanitize-recover=all)
	program "$1" first -O0 -DSMALL_PAGES=3 "${wide[@]}" || { echo broken; return; }
	if ! (cd "$1/$TESTS" && ulimit -v 4000000 -t 1 && ./first 1 200) >/dev/null 2>&1 ||
		! program "$1" quick "${wide[@]}" ||
		! (cd "$1/$TESTS" && ulimit -v 4000000 -t 10 && ./quick 1 1000) >/dev/null 2>&1 ||
		! program "$1" thorough "${wide[@]}" "${checked[@]}" ||
		! (cd "$1/$TESTS" && ulimit -t 15 && ./thorough 2 3000) >/dev/null 2>&1 ||
		! program "$1" small "${checked[@]}" ||
		! (cd "$1/$TESTS" && ulimit -t 15 && ./small 3 3000) >/dev/null 2>&1; then
		echo found
	else
		echo survived
	fi
}

# worker NUMBER OF: every OFth mutant of the list.
worker() {
	local key file line what dir=$DIR/worker-$1 number=0
	list_tests "$dir"
	while IFS=$'\t' read -r key file line what; do
		number=$((number + 1))
		[ $((number % $2)) = "$1" ] || continue
		! grep -q "^$key"$'\t' "$DIR/list.tsv" || continue
		"$MUTANTS" apply "$dir" "$file" "$key"
		printf '%s\t%s\t%s\t%s\t%s\n' "$key" "$file" "$line" "$what" "$(try_list "$dir")" >>"$DIR/list.tsv"
		cp "$LINUX/$file" "$dir/$file"
	done <"$DIR/list.all"
	rm -rf "$dir"
}

# prune NAME: what is no mutant any more is forgotten, and everything when the tests have changed.
prune() {
	local key
	key=$(cat "${@:2}" "$TOP/scripts/mutants.sh" | sha256sum)
	[ "$(cat "$DIR/$1.tests" 2>/dev/null)" = "$key" ] || rm -f "$DIR/$1.tsv"
	printf '%s\n' "$key" >"$DIR/$1.tests"
	touch "$DIR/$1.tsv"
	awk -F'\t' 'NR == FNR { all[$1]; next } $1 in all' "$DIR/$1.all" "$DIR/$1.tsv" >"$DIR/$1.tsv.new"
	mv "$DIR/$1.tsv.new" "$DIR/$1.tsv"
}

progress() {
	while sleep 30; do stage "mutants: $1: $(wc -l <"$DIR/$1.tsv") of $(wc -l <"$DIR/$1.all")"; done
}

# compiled NAME: how many were tried, without those that the compiler found.
compiled() { grep -cvP '\tbroken$' "$DIR/$1.tsv" || true; }

# verdict NAME PERCENT COUNT
verdict() {
	local said percent
	said=$("$MUTANTS" judge "$DIR/$1.all" "$DIR/$1.tsv" "$TOP/mutations/survivors-$1.txt") || true
	printf '%s\n' "$said"
	percent=$(sed -n '1s/.*(\([0-9]*\)\..*/\1/p' <<<"$said")
	if [ "$(compiled "$1")" -lt "$3" ]; then
		result FAIL "$1" "$(compiled "$1") mutants compile, $3 are wanted"
	elif [ "$percent" -lt "$2" ]; then
		result FAIL "$1" "$percent % found, $2 are wanted"
	elif [ "$(wc -l <<<"$said")" -gt 1 ]; then
		result FAIL "$1" "$(sed -n 2p <<<"$said")"
	else
		result PASS "$1" "$said"
	fi
}

list() {
	local n pids=()
	(cd "$LINUX" && "$MUTANTS" list "${LIST[@]}") >"$DIR/list.all"
	prune list "$LINUX/$TESTS/dma_runs.c"
	progress list &
	PROGRESS=$!
	for n in $(seq 0 $((JOBS - 1))); do
		worker "$n" "$JOBS" &
		pids+=($!)
	done
	for n in "${pids[@]}"; do wait "$n" || die "a worker ended early"; done
	kill "$PROGRESS"
	verdict list 95 $LIST_WANTED
}

# kunit_boot LOG: the suites about lists and buffers on the kernel of build/mutants/um; "ok" lines counted.
kunit_boot() {
	local uml
	uml=$(mktemp -d)
	timeout -k 5 180 "$DIR/um/linux" mem=1G console=tty con=null con0=null,fd:1 ssl=null kunit_shutdown=halt \
		'kunit.filter_glob=d[rm]*' "uml_dir=$uml" >"$1" 2>&1 </dev/null || true
	rm -rf "$uml"
	printf '%s %s %s\n' "$(grep -acE '^ *ok ' "$1")" "$(grep -acE '^ *not ok ' "$1")" \
		"$("$TOP/scripts/report.py" kernel-reports "$1" | grep -c .)"
}

# lanes_find LOG: does one of the lanes that run user space see it? DIR/lane.tsv says what did. A lane that
# fails for another reason than a test has found nothing.
lanes_find() {
	local lane status
	for lane in "prime.sh" "panfrost.sh t860"; do
		read -ra lane <<<"$lane"
		: >"$DIR/lane.tsv"
		status=0
		RESULTS=$DIR/lane.tsv CONVERTED=$DIR/um/linux "$TOP/scripts/${lane[0]}" "${lane[@]:1}" >>"$1" 2>&1 || status=$?
		[ -z "$(test_failures "$DIR/lane.tsv")" ] || return 0
		[ $status = 0 ] || die "${lane[0]} failed, but none of its tests" "$1"
	done
	return 1
}

# try_kernel LOG: on the tree as it is.
try_kernel() {
	(um_linux "$DIR/um") >"$1.build" 2>&1 || { echo broken; return; }
	if [ "$(kunit_boot "$1")" != "$KUNIT_GOOD" ] || lanes_find "$1"; then echo found; else echo survived; fi
}

rest() {
	local key file line what end good
	git -C "$LINUX" worktree prune
	[ -d "$DIR/linux" ] || git -C "$LINUX" worktree add -q --detach "$DIR/linux" series_tip
	git -C "$DIR/linux" checkout -q -f --detach series_tip
	(cd "$LINUX" && "$MUTANTS" shuffle "${REST[@]}") >"$DIR/rest.all"
	prune rest "$LINUX"/drivers/gpu/drm/tests/drm_gem*_test.c "$LINUX"/kernel/dma/*_test.c "$TOP"/igt-tests/tests/*.[ch]
	LINUX=$DIR/linux
	kernel_packages
	kconfig "$DIR/um" um defconfig "$TOP/configs/um.config" "$TOP/configs/um-patched.config"
	stage "mutants: the kernel without one"
	run "$DIR/um.log" um_linux "$DIR/um"
	KUNIT_GOOD=$(kunit_boot "$DIR/rest.log")
	read -ra good <<<"$KUNIT_GOOD"
	if [ "${good[0]}" = 0 ] || [ "${good[1]}" != 0 ]; then die "KUnit fails without a mutant" "$DIR/rest.log"; fi
	! lanes_find "$DIR/rest.log" ||
		die "the lanes fail without a mutant: $(test_failures "$DIR/lane.tsv" | sed -n 1p)" "$DIR/rest.log"
	while [ "$(compiled rest)" -lt "$SAMPLE" ] && IFS=$'\t' read -r key file line what; do
		! grep -q "^$key"$'\t' "$DIR/rest.tsv" || continue
		stage "mutants: rest: $(compiled rest) of $SAMPLE: $file:$line: $what"
		"$MUTANTS" apply "$DIR/linux" "$file" "$key"
		end=$(try_kernel "$DIR/rest.log")
		printf '%s\t%s\t%s\t%s\t%s\n' "$key" "$file" "$line" "$what" "$end" >>"$DIR/rest.tsv"
		git -C "$DIR/linux" checkout -q -f
	done <"$DIR/rest.all"
	verdict rest 85 "$SAMPLE"
}

# ended: whatever ended it before its verdicts is a failure, too.
ended() {
	local status=$? jobs
	jobs=$(jobs -p)
	# shellcheck disable=SC2086 # words are meant
	[ -z "$jobs" ] || kill $jobs 2>/dev/null || true
	if [ $status != 0 ] && ! grep -q ^FAIL "$RESULTS"; then result FAIL mutants "ended early with status $status"; fi
}

lane mutants
"$TOP/scripts/source.sh"
need gcc libc6-dev python3
mkdir -p "$DIR"
trap ended EXIT
list
[ "$SAMPLE" = 0 ] || rest
lane_end
