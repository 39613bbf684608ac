// SPDX-License-Identifier: MIT
/*
 * Runs the subtests of one binary: selection, results, exit status, output lines as in IGT 2.5.
 * What is left out is what the tests in ../tests do not use (the runner's socket protocol,
 * dmesg and log buffering, device filters, descriptions on request).
 */
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "igt_core.h"

#define MAX_CHILDREN 64
#define MAX_PATTERNS 16

jmp_buf igt_subtest_jmpbuf;
jmp_buf igt_dynamic_jmpbuf;

enum result { NONE, SUCCESS, SKIP, FAIL };
static const char *const result_word[] = { "NONE", "SUCCESS", "SKIP", "FAIL" };

static struct {
	const char *binary;
	bool list_only, debug;
	const char *patterns[MAX_PATTERNS], *dynamic_patterns[MAX_PATTERNS];
	int n_patterns, n_dynamic_patterns;
	bool matched;			/* some subtest fitted the patterns */
	int n_success, n_skip, n_fail;
	enum result rest;		/* a fixture gave up: the fate of every later subtest */
} run;

static struct {
	char name[256];
	bool active, container;
	struct timespec start;
	int n_success, n_skip, n_fail;	/* dynamic subtests in this container */
} subtest;

static struct {
	char name[256];
	bool active;
	struct timespec start;
} dynamic;

static bool in_fixture, is_child;
static pthread_t main_thread;
static volatile bool thread_failed;
static pid_t children[MAX_CHILDREN];
static int n_children;
static const char *timeout_op;

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) + (now.tv_nsec - start->tv_nsec) / 1e9;
}

static void vlog(enum igt_log_level level, const char *format, va_list args)
{
	static const char *const word[] = { "DEBUG", "INFO", "WARNING", "CRITICAL" };

	if (level == IGT_LOG_DEBUG && !run.debug)
		return;
	if (level == IGT_LOG_INFO) {
		vprintf(format, args);
		fflush(stdout);
		return;
	}
	fflush(stdout);
	fprintf(stderr, "(%s:%d) %s: ", run.binary, getpid(), word[level]);
	vfprintf(stderr, format, args);
}

void igt_log(const char *domain, enum igt_log_level level, const char *format, ...)
{
	va_list args;

	(void)domain;
	va_start(args, format);
	vlog(level, format, args);
	va_end(args);
}

void igt_describe_f(const char *format, ...)
{
	(void)format;
}

bool igt_only_list_subtests(void)
{
	return run.list_only;
}

/* Ends the innermost block that is open: dynamic subtest, subtest or fixture. */
static void end_dynamic(enum result result)
{
	printf("Dynamic subtest %s: %s (%.3fs)\n", dynamic.name, result_word[result],
	       seconds_since(&dynamic.start));
	fflush(stdout);
	dynamic.active = false;
	subtest.n_success += result == SUCCESS;
	subtest.n_skip += result == SKIP;
	subtest.n_fail += result == FAIL;
}

static void end_subtest(enum result result)
{
	printf("Subtest %s: %s (%.3fs)\n", subtest.name, result_word[result],
	       seconds_since(&subtest.start));
	fflush(stdout);
	subtest.active = false;
	run.n_success += result == SUCCESS;
	run.n_skip += result == SKIP;
	run.n_fail += result == FAIL;
}

static enum result container_result(void)
{
	if (subtest.n_fail)
		return FAIL;
	if (subtest.n_success)
		return SUCCESS;
	if (!subtest.n_skip)
		igt_warn("No dynamic tests executed.\n");
	return SKIP;
}

static __noreturn void stop_fixture(enum result result)
{
	in_fixture = false;
	run.rest = result;
	siglongjmp(igt_subtest_jmpbuf, 1);
}

static __noreturn void stop(enum result result, int exitcode)
{
	if (is_child)
		_exit(exitcode);
	if (dynamic.active) {
		end_dynamic(result);
		siglongjmp(igt_dynamic_jmpbuf, 1);
	}
	if (subtest.active) {
		end_subtest(result);
		siglongjmp(igt_subtest_jmpbuf, 1);
	}
	if (in_fixture)
		stop_fixture(result);
	exit(exitcode);
}

/* A thread ends alone; its subtest fails when the first one is at its end. */
void igt_fail(int exitcode)
{
	if (!pthread_equal(pthread_self(), main_thread)) {
		thread_failed = true;
		pthread_exit(NULL);
	}
	for (int i = 0; !is_child && i < n_children; i++)
		kill(children[i], SIGKILL);
	for (; !is_child && n_children; n_children--)
		waitpid(children[n_children - 1], NULL, 0);
	stop(exitcode == IGT_EXIT_SKIP ? SKIP : FAIL, exitcode);
}

void igt_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	if (is_child)
		igt_fail(IGT_EXIT_FAILURE);
	igt_fail(IGT_EXIT_SKIP);
}

void igt_success(void)
{
	if (thread_failed)
		stop(FAIL, IGT_EXIT_FAILURE);
	stop(dynamic.active || !subtest.container ? SUCCESS : container_result(),
	     IGT_EXIT_SUCCESS);
}

void __igt_fail_assert(const char *domain, const char *file, const int line, const char *func,
		       const char *assertion, const char *format, ...)
{
	const int err = errno;
	va_list args;

	igt_log(domain, IGT_LOG_CRITICAL, "Test assertion failure function %s, file %s:%d:\n",
		func, file, line);
	igt_log(domain, IGT_LOG_CRITICAL, "Failed assertion: %s\n", assertion);
	if (err)
		igt_log(domain, IGT_LOG_CRITICAL, "Last errno: %d, %s\n", err, strerror(err));
	if (format) {
		va_start(args, format);
		vlog(IGT_LOG_CRITICAL, format, args);
		va_end(args);
	}
	igt_fail(IGT_EXIT_FAILURE);
}

void __igt_skip_check(const char *file, const int line, const char *func, const char *check,
		      const char *format, ...)
{
	char reason[512] = "";
	va_list args;

	if (format) {
		va_start(args, format);
		vsnprintf(reason, sizeof(reason), format, args);
		va_end(args);
	}
	igt_skip("Test requirement not met in function %s, file %s:%d:\n"
		 "Test requirement: %s\n%s", func, file, line, check, reason);
}

/* IGT's glob rules: comma separated, the last one that fits decides, "!" excludes. */
static bool fits(const char *const *patterns, int count, const char *name)
{
	bool match = count == 0;
	char *save, *word;

	for (int i = 0; i < count; i++) {
		char *copy = strdup(patterns[i]);

		for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
			if (!fnmatch(word + (*word == '!'), name, 0))
				match = *word != '!';
		}
		free(copy);
	}
	return match;
}

bool __igt_run_subtest(const char *name, const char *file, const int line)
{
	(void)file;
	(void)line;
	if (run.list_only) {
		printf("%s\n", name);
		return false;
	}
	if (!fits(run.patterns, run.n_patterns, name))
		return false;
	run.matched = true;

	memset(&subtest, 0, sizeof(subtest));
	snprintf(subtest.name, sizeof(subtest.name), "%s", name);
	clock_gettime(CLOCK_MONOTONIC, &subtest.start);
	if (run.rest != NONE) {
		end_subtest(run.rest);
		return false;
	}
	printf("Starting subtest: %s\n", name);
	fflush(stdout);
	subtest.active = true;
	thread_failed = false;
	errno = 0;
	return true;
}

bool __igt_enter_dynamic_container(void)
{
	subtest.container = true;
	return true;
}

bool __igt_run_dynamic_subtest(const char *name)
{
	if (!fits(run.dynamic_patterns, run.n_dynamic_patterns, name))
		return false;
	snprintf(dynamic.name, sizeof(dynamic.name), "%s", name);
	clock_gettime(CLOCK_MONOTONIC, &dynamic.start);
	printf("Starting dynamic subtest: %s\n", name);
	fflush(stdout);
	dynamic.active = true;
	errno = 0;
	return true;
}

bool __igt_fixture(void)
{
	if (run.list_only || run.rest != NONE)
		return false;
	in_fixture = true;
	return true;
}

void __igt_fixture_complete(void)
{
	in_fixture = false;
}

bool __igt_fork(void)
{
	pid_t pid;

	igt_assert(n_children < MAX_CHILDREN);
	fflush(NULL);
	pid = fork();
	igt_assert(pid >= 0);
	if (pid == 0) {
		is_child = true;
		n_children = 0;
		return true;
	}
	children[n_children++] = pid;
	return false;
}

void igt_waitchildren(void)
{
	int failed = 0, status;

	for (; n_children; n_children--) {
		igt_assert(waitpid(children[n_children - 1], &status, 0) > 0);
		if (WIFSIGNALED(status))
			igt_info("child %d died with signal %d\n", n_children - 1,
				 WTERMSIG(status));
		failed += !WIFEXITED(status) || WEXITSTATUS(status);
	}
	if (failed)
		igt_fail(IGT_EXIT_FAILURE);
}

static void on_alarm(int sig)
{
	(void)sig;
	igt_info("Timed out: %s\n", timeout_op ? timeout_op : "");
	igt_fail(IGT_EXIT_FAILURE);
}

void igt_set_timeout(unsigned int seconds, const char *op)
{
	struct sigaction action = { .sa_handler = on_alarm };

	timeout_op = op;
	sigaction(SIGALRM, seconds ? &action : NULL, NULL);
	alarm(seconds);
}

void igt_reset_timeout(void)
{
	alarm(0);
	signal(SIGALRM, SIG_DFL);
}

/* A crash ends the binary, but not without telling where it happened. */
static void on_crash(int sig)
{
	static const char word[] = "CRASH";

	if (!is_child) {
		printf("Received signal %s.\n", strsignal(sig));
		if (dynamic.active)
			printf("Dynamic subtest %s: %s (%.3fs)\n", dynamic.name, word,
			       seconds_since(&dynamic.start));
		if (subtest.active)
			printf("Subtest %s: %s (%.3fs)\n", subtest.name, word,
			       seconds_since(&subtest.start));
		fflush(stdout);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static __noreturn void usage(FILE *to, int status)
{
	fprintf(to, "Usage: %s [--list-subtests] [--run-subtest PATTERN] "
		"[--dynamic-subtest PATTERN] [--debug]\n", run.binary);
	exit(status);
}

static void parse_option(int opt)
{
	switch (opt) {
	case 'l':
		run.list_only = true;
		break;
	case 'r':
		if (run.n_patterns < MAX_PATTERNS)
			run.patterns[run.n_patterns++] = optarg;
		break;
	case 'D':
		if (run.n_dynamic_patterns < MAX_PATTERNS)
			run.dynamic_patterns[run.n_dynamic_patterns++] = optarg;
		break;
	case 'd':
		run.debug = true;
		break;
	case 'h':
		usage(stdout, IGT_EXIT_SUCCESS);
	default:
		usage(stderr, IGT_EXIT_INVALID);
	}
}

static void print_version(void)
{
	struct utsname uts;

	if (run.list_only || uname(&uts))
		return;
	printf("IGT-Version: compat (%s) (%s: %s %s)\n", run.binary, uts.sysname, uts.release,
	       uts.machine);
}

int igt_subtest_init_parse_opts(int *argc, char **argv, const char *short_opts,
				const struct option *long_opts, const char *help,
				igt_opt_handler_t handler, void *data)
{
	static const struct option options[] = {
		{ "list-subtests", no_argument, NULL, 'l' },
		{ "run-subtest", required_argument, NULL, 'r' },
		{ "dynamic-subtest", required_argument, NULL, 'D' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	const char *slash = strrchr(argv[0], '/');
	int opt;

	(void)help;
	main_thread = pthread_self();
	run.binary = slash ? slash + 1 : argv[0];
	if (short_opts || long_opts || handler || data)
		abort();	/* not implemented: no test of ours has options */
	while ((opt = getopt_long(*argc, argv, "h", options, NULL)) != -1)
		parse_option(opt);
	if (optind < *argc)
		usage(stderr, IGT_EXIT_INVALID);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		signal(crashes[i], on_crash);
	print_version();
	return 0;
}

void igt_exit(void)
{
	if (run.list_only)
		exit(IGT_EXIT_SUCCESS);
	if (run.n_patterns && !run.matched) {
		igt_warn("Unknown subtest: %s\n", run.patterns[0]);
		exit(IGT_EXIT_INVALID);
	}
	if (run.n_fail)
		exit(IGT_EXIT_FAILURE);
	exit(run.n_success ? IGT_EXIT_SUCCESS : IGT_EXIT_SKIP);
}
