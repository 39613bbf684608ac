// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a call of a function fail that nothing was prepared for: it returns what
 * it is told to, and does not run. CONFIG_FAIL_FUNCTION does that to functions
 * which the kernel's source names, this one to any, and to one call of one task.
 * What /proc/thread-self/fail-nth is to allocations, this is to functions: a test
 * goes through all calls, until there are no more.
 *
 * /sys/kernel/debug/fail_nth_call/
 *	function	its name; an empty line for none
 *	except		calls from that function do not count; with a * at its end from those
 *			whose names start so; an empty line for none
 *	retval		what the call returns, as a number
 *	nth		written: this many calls from now on, made by the task that
 *			writes, the last one fails, 0 for none; read: how many are left,
 *			so 0 once it has happened. Closing the file is like writing 0.
 *
 * There is one set of these. Whether it makes sense nobody checks: a function that
 * returns more than a value, or undoes something, is not to be left out.
 *
 * It is a module that puts a kprobe there. User Mode Linux has none; there it is
 * linked into the kernel, whose linker sends the calls of what fail_wraps.h names
 * here first. That sees no call from within the same source file.
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/hardirq.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#ifdef CONFIG_UML
#include "fail_wraps.h"
#endif

static DEFINE_MUTEX(lock); /* of all that follows; the probe reads what it needs without */
static char function[KSYM_NAME_LEN];
static char except[KSYM_NAME_LEN];
static unsigned long retval;
static struct task_struct *task;
static unsigned int nth;

/* A probe may itself be an exception that counts as an NMI. */
static bool in_interrupt_of_task(void)
{
	return in_serving_softirq() || hardirq_count() > (in_nmi() ? HARDIRQ_OFFSET : 0);
}

static bool is_excepted(unsigned long caller)
{
	size_t len = strlen(except);
	char name[KSYM_SYMBOL_LEN];

	if (!len)
		return false;
	sprint_symbol_no_offset(name, caller);

	return except[len - 1] == '*' ? !strncmp(name, except, len - 1) : !strcmp(name, except);
}

static bool fails_now(unsigned long caller)
{
	if (READ_ONCE(task) != current || !nth || in_interrupt_of_task() || is_excepted(caller))
		return false;

	return !--nth;
}
NOKPROBE_SYMBOL(fails_now);

#ifdef CONFIG_UML

static void *wrapped;

/* Found by what is below. */
unsigned long fail_retval(void *real, unsigned long caller, bool *fails);

unsigned long fail_retval(void *real, unsigned long caller, bool *fails)
{
	*fails = real == READ_ONCE(wrapped) && fails_now(caller);

	return retval;
}

/*
 * The call as it was, but for the function's address in RAX: it goes on there, with
 * the same arguments, or returns.
 */
asm(".pushsection .text\n"
    "fail_wrap:\n"
    "	pushq %rdi\n"
    "	pushq %rsi\n"
    "	pushq %rdx\n"
    "	pushq %rcx\n"
    "	pushq %r8\n"
    "	pushq %r9\n"
    "	pushq %rax\n"
    "	pushq $0\n"
    "	pushq $0\n"
    "	movq %rax, %rdi\n"
    "	movq 72(%rsp), %rsi\n"
    "	movq %rsp, %rdx\n"
    "	call fail_retval\n"
    "	movq %rax, %r10\n"
    "	popq %r11\n"
    "	popq %rax\n"
    "	popq %rax\n"
    "	popq %r9\n"
    "	popq %r8\n"
    "	popq %rcx\n"
    "	popq %rdx\n"
    "	popq %rsi\n"
    "	popq %rdi\n"
    "	testb %r11b, %r11b\n"
    "	jnz 1f\n"
    "	jmp *%rax\n"
    "1:	movq %r10, %rax\n"
    "	ret\n"
    ".popsection\n");

#define WRAP(name)				\
	asm(".pushsection .text\n"		\
	    ".weak __real_" #name "\n"		\
	    ".globl __wrap_" #name "\n"		\
	    "__wrap_" #name ":\n"		\
	    "	movq $__real_" #name ", %rax\n"	\
	    "	jmp fail_wrap\n"		\
	    ".popsection\n");			\
	extern char __real_##name[] __weak;
FAIL_WRAPS
#undef WRAP

/* A kernel need not have them all. */
#define WRAP(name) { #name, __real_##name },
static const struct {
	const char *name;
	void *real;
} wraps[] = { FAIL_WRAPS };

static int probe_move(const char *name)
{
	WRITE_ONCE(wrapped, NULL);
	function[0] = 0;
	if (!name[0])
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(wraps); i++) {
		if (!wraps[i].real || strcmp(wraps[i].name, name))
			continue;
		strscpy(function, name);
		WRITE_ONCE(wrapped, wraps[i].real);
		return 0;
	}

	return -ENOENT;
}

#else

/* At its first instruction a function has changed neither stack nor link register. */
static unsigned long return_address(const struct pt_regs *regs)
{
/* What takes ftrace's way to a probe cannot move the stack. */
#if defined(CONFIG_X86_64) && !defined(CONFIG_KPROBES_ON_FTRACE)
	return *(unsigned long *)regs->sp;
#elif defined(CONFIG_ARM64)
	return procedure_link_pointer(regs);
#else
#error "How does a function return here?"
#endif
}

static void return_now(struct pt_regs *regs, unsigned long value)
{
	regs_set_return_value(regs, value);
	instruction_pointer_set(regs, return_address(regs));
#ifdef CONFIG_X86_64
	regs->sp += sizeof(unsigned long);
#endif
}

static int before_call(struct kprobe *p, struct pt_regs *regs)
{
	if (!fails_now(return_address(regs)))
		return 0;
	return_now(regs, retval);

	return 1;
}
NOKPROBE_SYMBOL(before_call);

/* With one, the call is not optimized to a jump, after which it could not be left out. */
static void after_call(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = function,
	.pre_handler = before_call,
	.post_handler = after_call,
};

/* As registering leaves it, a probe cannot be registered again. */
static int probe_move(const char *name)
{
	int ret;

	if (function[0])
		unregister_kprobe(&probe);
	function[0] = 0;
	if (!name[0])
		return 0;
	strscpy(function, name);
	probe.addr = NULL;
	probe.flags = 0;
	ret = register_kprobe(&probe);
	if (ret)
		function[0] = 0;

	return ret;
}

#endif

/* While it is held nobody else has its address. */
static void task_move(struct task_struct *new)
{
	struct task_struct *old = task;

	WRITE_ONCE(task, new);
	if (old)
		put_task_struct(old);
}

static ssize_t name_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	const char *name = file->private_data;
	char line[KSYM_NAME_LEN + 1];
	int len;

	mutex_lock(&lock);
	len = scnprintf(line, sizeof(line), "%s\n", name);
	mutex_unlock(&lock);

	return simple_read_from_buffer(buf, count, pos, line, len);
}

static ssize_t name_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	char *name = file->private_data;
	char line[KSYM_NAME_LEN];
	int ret = 0;

	if (count >= sizeof(line))
		return -ENAMETOOLONG;
	if (copy_from_user(line, buf, count))
		return -EFAULT;
	line[count] = 0;

	mutex_lock(&lock);
	task_move(NULL);
	if (name == function)
		ret = probe_move(strim(line));
	else
		strscpy(except, strim(line));
	mutex_unlock(&lock);

	return ret ?: count;
}

static const struct file_operations name_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = name_read,
	.write = name_write,
};

static int retval_get(void *data, u64 *value)
{
	*value = retval;

	return 0;
}

static int retval_set(void *data, u64 value)
{
	retval = value;

	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE_SIGNED(retval_fops, retval_get, retval_set, "%lld\n");

static ssize_t nth_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	char line[16];

	return simple_read_from_buffer(buf, count, pos, line,
				       scnprintf(line, sizeof(line), "%u\n", READ_ONCE(nth)));
}

static void nth_set(unsigned int value)
{
	mutex_lock(&lock);
	task_move(NULL);
	nth = value;
	if (value)
		task_move(get_task_struct(current));
	mutex_unlock(&lock);
}

static ssize_t nth_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	unsigned int value;
	int ret = kstrtouint_from_user(buf, count, 0, &value);

	if (ret)
		return ret;
	nth_set(value);

	return count;
}

/* Who has it last may be another task's child. */
static int nth_release(struct inode *inode, struct file *file)
{
	nth_set(0);

	return 0;
}

static const struct file_operations nth_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = nth_read,
	.write = nth_write,
	.release = nth_release,
};

static struct dentry *dir;

static int __init fail_function_init(void)
{
	dir = debugfs_create_dir("fail_nth_call", NULL);
	debugfs_create_file("function", 0600, dir, function, &name_fops);
	debugfs_create_file("except", 0600, dir, except, &name_fops);
	debugfs_create_file_unsafe("retval", 0600, dir, NULL, &retval_fops);
	debugfs_create_file("nth", 0600, dir, NULL, &nth_fops);

	return PTR_ERR_OR_ZERO(dir);
}
module_init(fail_function_init);

static void __exit fail_function_exit(void)
{
	debugfs_remove(dir);
	probe_move("");
}
module_exit(fail_function_exit);

MODULE_DESCRIPTION("Makes the nth call of any function fail");
MODULE_LICENSE("GPL");
