/* SPDX-License-Identifier: MIT */
/*
 * Just enough of IGT's igt_core.h for the tests in ../tests, written anew: same names, same
 * argument types, same control flow as IGT 2.5. A test never sees a difference, and an object
 * compiled against this header also links against the real libigt.so.0 ("make LIBIGT=...").
 */
#ifndef IGT_CORE_H
#define IGT_CORE_H

#include <getopt.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define IGT_EXIT_SUCCESS 0
#define IGT_EXIT_SKIP 77
#define IGT_EXIT_INVALID 79
#define IGT_EXIT_FAILURE 98

#ifndef IGT_LOG_DOMAIN
#define IGT_LOG_DOMAIN NULL
#endif

#ifndef __noreturn
#define __noreturn __attribute__((noreturn))
#endif
#define __igt_printf(fmt, first) __attribute__((format(printf, fmt, first)))

extern const char *__igt_test_description __attribute__((weak));
extern jmp_buf igt_subtest_jmpbuf;
extern jmp_buf igt_dynamic_jmpbuf;

#define IGT_TEST_DESCRIPTION(text) const char *__igt_test_description = text

/* Names that do not collide when a macro is used twice in one function. */
#define __igt_glue2(a, b) a##b
#define __igt_glue(a, b) __igt_glue2(a, b)
#define igt_unique(prefix) __igt_glue(__igt_##prefix##_, __LINE__)

typedef int (*igt_opt_handler_t)(int opt, int opt_index, void *data);
int igt_subtest_init_parse_opts(int *argc, char **argv, const char *short_opts,
				const struct option *long_opts, const char *help,
				igt_opt_handler_t handler, void *data);
__noreturn void igt_exit(void);
__noreturn void igt_fail(int exitcode);
void igt_success(void);
__noreturn __igt_printf(1, 2) void igt_skip(const char *format, ...);
bool igt_only_list_subtests(void);

bool __igt_fixture(void);
void __igt_fixture_complete(void);
bool __igt_run_subtest(const char *name, const char *file, const int line);
bool __igt_enter_dynamic_container(void);
bool __igt_run_dynamic_subtest(const char *name);

/* main() must be defined by the macro, and "int igt_main()" must parse: so declare it first. */
#define igt_main() \
	main(int argc, char **argv); \
	static void igt_unique(body)(void); \
	int main(int argc, char **argv) \
	{ \
		igt_subtest_init_parse_opts(&argc, argv, NULL, NULL, NULL, NULL, NULL); \
		igt_unique(body)(); \
		igt_exit(); \
	} \
	static void igt_unique(body)(void)

/* Every block is a loop that is entered at most once: a jump to its buffer ends it. */
#define igt_fixture() \
	for (volatile bool igt_unique(once) = true; \
	     igt_unique(once) && __igt_fixture() && sigsetjmp(igt_subtest_jmpbuf, 1) == 0; \
	     igt_unique(once) = false, __igt_fixture_complete())

#define igt_subtest(name) \
	for (; __igt_run_subtest(name, __FILE__, __LINE__) && \
	       sigsetjmp(igt_subtest_jmpbuf, 1) == 0; igt_success())

#define igt_subtest_with_dynamic(name) \
	for (; __igt_run_subtest(name, __FILE__, __LINE__) && \
	       __igt_enter_dynamic_container() && \
	       sigsetjmp(igt_subtest_jmpbuf, 1) == 0; igt_success())

#define igt_dynamic(name) \
	for (; __igt_run_dynamic_subtest(name) && \
	       sigsetjmp(igt_dynamic_jmpbuf, 1) == 0; igt_success())

#define __igt_named(block, buf, format...) \
	for (char buf[256], *igt_unique(done) = NULL; \
	     !igt_unique(done) && snprintf(buf, sizeof(buf), format) >= 0; \
	     igt_unique(done) = buf) \
		block(buf)
#define igt_subtest_f(format...) __igt_named(igt_subtest, igt_unique(name), format)
#define igt_dynamic_f(format...) __igt_named(igt_dynamic, igt_unique(name), format)

__igt_printf(1, 2) void igt_describe_f(const char *format, ...);
#define igt_describe(text) igt_describe_f("%s", text)

__noreturn __igt_printf(6, 7)
void __igt_fail_assert(const char *domain, const char *file, const int line, const char *func,
		       const char *assertion, const char *format, ...);
__noreturn __igt_printf(5, 6)
void __igt_skip_check(const char *file, const int line, const char *func, const char *check,
		      const char *format, ...);

#define __igt_must(expr, text, format...) \
	do { \
		if (!(expr)) \
			__igt_fail_assert(IGT_LOG_DOMAIN, __FILE__, __LINE__, __func__, \
					  text, format); \
	} while (0)
#define igt_assert(expr) __igt_must(expr, #expr, NULL)
#define igt_assert_f(expr, format...) __igt_must(expr, #expr, format)

#define __igt_compare(type, conv, cast, a, op, not_op, b) \
	do { \
		const type __a = (a), __b = (b); \
		__igt_must(__a op __b, #a " " #op " " #b, \
			   "error: " conv " " #not_op " " conv "\n", (cast)__a, (cast)__b); \
	} while (0)
#define igt_assert_eq(a, b) __igt_compare(int, "%d", int, a, ==, !=, b)
#define igt_assert_neq(a, b) __igt_compare(int, "%d", int, a, !=, ==, b)
#define igt_assert_lte(a, b) __igt_compare(int, "%d", int, a, <=, >, b)
#define igt_assert_eq_u32(a, b) __igt_compare(uint32_t, "%#x", unsigned int, a, ==, !=, b)
#define igt_assert_neq_u32(a, b) __igt_compare(uint32_t, "%#x", unsigned int, a, !=, ==, b)
#define igt_assert_eq_u64(a, b) __igt_compare(uint64_t, "%#llx", unsigned long long, a, ==, !=, b)
#define igt_assert_lte_u64(a, b) __igt_compare(uint64_t, "%#llx", unsigned long long, a, <=, >, b)
#define igt_assert_fd(fd) igt_assert_f((fd) >= 0, "file descriptor " #fd " failed\n")

#define __igt_need(expr, text, format...) \
	do { \
		if (!(expr)) \
			__igt_skip_check(__FILE__, __LINE__, __func__, text, format); \
	} while (0)
#define igt_require(expr) __igt_need(expr, #expr, NULL)
#define igt_require_f(expr, format...) __igt_need(expr, #expr, format)
#define igt_skip_on_f(expr, format...) __igt_need(!(expr), "!(" #expr ")", format)

bool __igt_fork(void);
void igt_waitchildren(void);
#define igt_fork(child, count) \
	for (int child = 0; child < (count); child++) \
		for (; __igt_fork(); exit(0))

enum igt_log_level {
	IGT_LOG_DEBUG,
	IGT_LOG_INFO,
	IGT_LOG_WARN,
	IGT_LOG_CRITICAL,
	IGT_LOG_NONE,
};

__igt_printf(3, 4)
void igt_log(const char *domain, enum igt_log_level level, const char *format, ...);
#define igt_debug(format...) igt_log(IGT_LOG_DOMAIN, IGT_LOG_DEBUG, format)
#define igt_info(format...) igt_log(IGT_LOG_DOMAIN, IGT_LOG_INFO, format)
#define igt_warn(format...) igt_log(IGT_LOG_DOMAIN, IGT_LOG_WARN, format)

void igt_set_timeout(unsigned int seconds, const char *op);
void igt_reset_timeout(void);

#endif
