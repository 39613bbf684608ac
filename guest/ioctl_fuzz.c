// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl_fuzz CALLS CORPUS SECONDS SEED OUT: programs of a few calls, as CALLS says, at random and by small
 * changes of those that reached something new (KCOV). CORPUS is read first. What reached something is left
 * in OUT/corpus, the program that runs in OUT/last, for when the kernel does not survive it. With 0 seconds
 * just the corpus runs; with KCOV, what OUT/corpus then has reaches the same by less.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_KINDS 32
#define MAX_VALUES 24
#define MAX_TYPES 96
#define MAX_FIELDS 10
#define MAX_RANGES 14
#define MAX_STEPS 14
#define MAX_CORPUS 4096
#define COVER_SIZE (1u << 16)
#define MAP_BITS 18
#define PAGE 4096ul
#define BUFFER_SIZE 128

enum op { IOCTL, MMAP, MUNMAP, TOUCH, MADVISE, MREMAP, MPROTECT, FORK, CLOSE, DUP, NUM_OPS };

static const char *const op_names[] = {
	"ioctl", "mmap", "munmap", "touch", "madvise", "mremap", "mprotect", "fork", "close", "dup",
};

struct range { uint64_t low, high; };

struct field {
	unsigned int offset, bytes;
	char how;			/* of "=~<>&%@" */
	int kind;
	struct range ranges[MAX_RANGES];
	unsigned int num_ranges;
};

struct type {
	enum op op;
	char name[32];
	uint32_t targets;		/* a bit each kind */
	unsigned long request;
	struct field fields[MAX_FIELDS];
	unsigned int num_fields;
	int returns;			/* a kind, -1 for none */
};

struct step {
	unsigned int type;
	uint64_t target, args[MAX_FIELDS];
};

struct program {
	unsigned int num;
	struct step steps[MAX_STEPS];
};

/* What a program starts with: descriptors of a kind. */
struct source { int kind, count; char how, path[64]; };

static char kind_names[MAX_KINDS][16];
static uint64_t values[MAX_KINDS][MAX_VALUES];
static unsigned int num_values[MAX_KINDS], num_kinds;
static struct type types[MAX_TYPES];
static unsigned int num_types;
static struct source sources[16];
static unsigned int num_sources;
static struct program corpus[MAX_CORPUS];
static unsigned int num_corpus;
static uint8_t seen[1 << MAP_BITS];
static uint32_t fresh[COVER_SIZE];
static unsigned int num_fresh;
static unsigned long num_edges, *cover;
static int kcov = -1, last_file = -1;
static unsigned int number;
static uint64_t state;

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

static unsigned int below(unsigned int n)
{
	return (draw() >> 33) % n;
}

/* The calls */

static int kind_of(const char *name)
{
	for (unsigned int i = 0; i < num_kinds; i++) {
		if (!strcmp(kind_names[i], name))
			return i;
	}
	if (num_kinds == MAX_KINDS)
		die("too many kinds");
	snprintf(kind_names[num_kinds], sizeof(kind_names[0]), "%s", name);
	return num_kinds++;
}

static void parse_set(struct field *f, char *text)
{
	char *save, *word;

	for (word = strtok_r(text, "|", &save); word; word = strtok_r(NULL, "|", &save)) {
		char *dots = strstr(word, "..");
		struct range *r = &f->ranges[f->num_ranges++];

		if (f->num_ranges > MAX_RANGES)
			die("too many values: %s", word);
		r->low = strtoull(word, NULL, 0);
		r->high = dots ? strtoull(dots + 2, NULL, 0) : r->low;
	}
}

static void parse_field(struct type *t, char *text)
{
	struct field *f = &t->fields[t->num_fields];
	int at = 0;

	if (!strncmp(text, "ret>", 4)) {
		t->returns = kind_of(text + 4);
		return;
	}
	if (t->num_fields++ == MAX_FIELDS || sscanf(text, "%u:%u%c%n", &f->offset, &f->bytes, &f->how, &at) != 3)
		die("not a field: %s", text);
	if (f->bytes > 8 || f->offset + f->bytes > BUFFER_SIZE)
		die("beyond the buffer: %s", text);
	if (strchr("=~", f->how))
		parse_set(f, text + at);
	else if (strchr("<>&%", f->how))
		f->kind = kind_of(text + at);
	if (strchr("=~", f->how) && !f->num_ranges)
		die("no value: %s", text);
}

static void parse_targets(struct type *t, char *text)
{
	char *save, *word;

	for (word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save))
		t->targets |= 1u << kind_of(word);
}

static unsigned long parse_request(char **save)
{
	const char *dir = strtok_r(NULL, " ", save), *type = strtok_r(NULL, " ", save);
	const char *nr = strtok_r(NULL, " ", save), *size = strtok_r(NULL, " ", save);

	if (!size || strtoul(size, NULL, 0) > BUFFER_SIZE)
		die("an ioctl wants DIRECTION TYPE NR SIZE");
	return _IOC((strchr(dir, 'r') ? _IOC_READ : 0) | (strchr(dir, 'w') ? _IOC_WRITE : 0),
		    type[0], strtoul(nr, NULL, 0), strtoul(size, NULL, 0));
}

static void parse_call(enum op op, char **save)
{
	struct type *t = &types[num_types++];
	char *name = strtok_r(NULL, " ", save), *targets = strtok_r(NULL, " ", save), *word;

	if (num_types > MAX_TYPES || !targets)
		die("too many calls, or %s without a kind", op_names[op]);
	t->op = op;
	t->returns = -1;
	snprintf(t->name, sizeof(t->name), "%s", name);
	parse_targets(t, targets);
	if (op == IOCTL)
		t->request = parse_request(save);
	while ((word = strtok_r(NULL, " ", save)))
		parse_field(t, word);
}

static void parse_source(char how, char **save)
{
	const char *kind = strtok_r(NULL, " ", save), *path = strtok_r(NULL, " ", save);
	const char *count = strtok_r(NULL, " ", save);
	struct source *s = &sources[num_sources++];

	if (!count || num_sources > 16)
		die("a file wants KIND PATH COUNT");
	*s = (struct source){ .kind = kind_of(kind), .count = atoi(count), .how = how };
	snprintf(s->path, sizeof(s->path), "%s", path);
}

static void parse_line(char *line)
{
	char *save, *word = strtok_r(line, " ", &save);

	if (!word || word[0] == '#')
		return;
	for (int op = 0; op < NUM_OPS; op++) {
		if (!strcmp(word, op_names[op])) {
			parse_call(op, &save);
			return;
		}
	}
	if (strcmp(word, "open") && strcmp(word, "drm") && strcmp(word, "memfd"))
		die("neither a call nor a file: %s", word);
	parse_source(word[0], &save);
}

static void read_calls(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[1024];

	if (!f)
		die("%s: %m", path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		parse_line(line);
	}
	fclose(f);
}

/* What a program has at hand */

static void add_value(int kind, uint64_t value)
{
	unsigned int at = num_values[kind] < MAX_VALUES ? num_values[kind]++ : value % MAX_VALUES;

	values[kind][at] = value;
}

static uint64_t take(int kind, uint64_t arg)
{
	if (!num_values[kind] || arg >> 59 == 0)
		return arg & 0xf;
	return values[kind][(arg >> 8) % num_values[kind]];
}

static void open_drm(const struct source *s)
{
	char path[64], name[32], want[40];

	for (int minor = 0; minor < 64; minor++) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%d/name", minor);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (!fscanf(f, "%31s", name))
			name[0] = 0;
		fclose(f);
		snprintf(want, sizeof(want), "/dev/dri/card%d", minor);
		if (strcmp(name, s->path))
			continue;
		for (int i = 0; i < s->count; i++) {
			const int fd = open(want, O_RDWR | O_CLOEXEC);

			if (fd >= 0)
				add_value(s->kind, fd);
		}
		return;
	}
}

static int open_one(const struct source *s)
{
	int fd;

	if (s->how == 'o')
		return open(s->path, O_RDWR | O_CLOEXEC);
	fd = memfd_create("fuzz", MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, atoi(s->path) * PAGE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	return fd;
}

static void open_sources(void)
{
	for (unsigned int i = 0; i < num_sources; i++) {
		if (sources[i].how == 'd') {
			open_drm(&sources[i]);
			continue;
		}
		for (int n = 0; n < sources[i].count; n++) {
			const int fd = open_one(&sources[i]);

			if (fd >= 0)
				add_value(sources[i].kind, fd);
		}
	}
}

/* One call */

static uint32_t arrays[MAX_FIELDS][4];
static sigjmp_buf touched;
static volatile bool touching;

static uint64_t value_of(const struct field *f, uint64_t arg, uint32_t *array)
{
	const struct range *r;

	switch (f->how) {
	case '<':
		return take(f->kind, arg);
	case '&':
		for (int i = 0; i < 4; i++)
			array[i] = take(f->kind, arg * (2 * i + 1));
		return (uintptr_t)array;
	case '%':
		array[0] = take(f->kind, arg);
		array[1] = arg >> 40 & 1;
		array[2] = (arg >> 42 & 3) * PAGE;
		array[3] = (arg >> 44 & 15) * PAGE;
		return (uintptr_t)array;
	case '@':
		return (uintptr_t)"a name";
	case '=':
	case '~':
		if (f->how == '~' && arg >> 60 == 0)
			return arg >> (arg & 63);
		r = &f->ranges[(arg >> 4) % f->num_ranges];
		return r->low + (arg >> 12) % (r->high - r->low + 1);
	default:
		return 0;
	}
}

static void fill(const struct type *t, const struct step *s, uint8_t *buffer)
{
	for (unsigned int i = 0; i < t->num_fields; i++) {
		const uint64_t value = value_of(&t->fields[i], s->args[i], arrays[i]);

		memcpy(buffer + t->fields[i].offset, &value, t->fields[i].bytes);
	}
}

static void keep_results(const struct type *t, const uint8_t *buffer)
{
	for (unsigned int i = 0; i < t->num_fields; i++) {
		uint64_t value = 0;

		if (t->fields[i].how != '>')
			continue;
		memcpy(&value, buffer + t->fields[i].offset, t->fields[i].bytes);
		add_value(t->fields[i].kind, value);
	}
}

static uint64_t target_of(const struct type *t, uint64_t arg)
{
	unsigned int count = 0, n;

	for (unsigned int kind = 0; kind < num_kinds; kind++)
		count += t->targets >> kind & 1 ? num_values[kind] : 0;
	if (!count)
		return ~0ull;
	n = (arg >> 8) % count;
	for (unsigned int kind = 0;; kind++) {
		if (!(t->targets >> kind & 1))
			continue;
		if (n < num_values[kind])
			return values[kind][n];
		n -= num_values[kind];
	}
}

/* A program may have unmapped what it needs itself. */
static void on_fault(int sig)
{
	if (!touching)
		_exit(0);
	siglongjmp(touched, sig);
}

static void touch(volatile uint8_t *ptr, bool write)
{
	touching = true;
	if (sigsetjmp(touched, 1))
		write = false;
	else if (write)
		*ptr = 1;
	else
		(void)*ptr;
	touching = false;
}

static void fork_and_touch(uint8_t *ptr)
{
	const pid_t child = fork();

	if (!child) {
		touch(ptr, true);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static long call_memory(enum op op, uint8_t *at, const uint64_t *v)
{
	uint8_t *from = at + v[0] * PAGE;

	switch (op) {
	case MUNMAP:
		return munmap(from, v[1] * PAGE);
	case TOUCH:
		touch(from, v[1]);
		return 0;
	case MADVISE:
		return madvise(from, v[1] * PAGE, v[2]);
	case MREMAP:
		return mremap(from, v[1] * PAGE, v[2] * PAGE, v[3] & 5, NULL) == MAP_FAILED ? -1 : 0;
	case MPROTECT:
		return mprotect(from, v[1] * PAGE, v[2]);
	case FORK:
		fork_and_touch(from);
		return 0;
	default:
		return -1;
	}
}

static void run_step(const struct step *s)
{
	const struct type *t = &types[s->type];
	const uint64_t target = target_of(t, s->target);
	uint64_t buffer[BUFFER_SIZE / 8] = {};
	long ret;

	if (target == ~0ull)
		return;
	fill(t, s, (uint8_t *)buffer);
	switch (t->op) {
	case IOCTL:
		ret = ioctl(target, t->request, buffer);
		break;
	case MMAP:
		ret = (long)mmap(NULL, buffer[1] * PAGE, buffer[2], buffer[3], target,
				 buffer[0] < 4096 ? buffer[0] * PAGE : buffer[0]);
		break;
	case CLOSE:
		ret = close(target);
		break;
	case DUP:
		ret = dup(target);
		break;
	default:
		ret = call_memory(t->op, (uint8_t *)target, buffer);
		break;
	}
	if (ret == -1)
		return;
	keep_results(t, (uint8_t *)buffer);
	if (t->returns >= 0)
		add_value(t->returns, ret);
}

/* Programs */

static void print_program(FILE *f, const struct program *p)
{
	for (unsigned int i = 0; i < p->num; i++) {
		const struct step *s = &p->steps[i];

		fprintf(f, "%s %llx", types[s->type].name, (long long)s->target);
		for (unsigned int a = 0; a < types[s->type].num_fields; a++)
			fprintf(f, " %llx", (long long)s->args[a]);
		fprintf(f, "\n");
	}
	fprintf(f, "\n");
}

/* For whoever finds the kernel dead: the program, and which of the corpus it is, from 1 on. */
static void note_program(const struct program *p)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "# program %u\n", number);
	print_program(f, p);
	fclose(f);
	if (ftruncate(last_file, 0) || pwrite(last_file, text, size, 0) != (ssize_t)size)
		die("OUT/last: %m");
	free(text);
}

static void child(const struct program *p)
{
	struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	alarm(5);
	open_sources();
	if (kcov >= 0) {
		if (ioctl(kcov, KCOV_ENABLE, KCOV_TRACE_PC))
			_exit(2);
		cover[0] = 0;
	}
	for (unsigned int i = 0; i < p->num; i++)
		run_step(&p->steps[i]);
	_exit(0);
}

static void execute(const struct program *p)
{
	int status;
	pid_t pid;

	note_program(p);
	if (kcov >= 0)
		cover[0] = 0;
	pid = fork();
	if (pid < 0)
		die("fork: %m");
	if (!pid)
		child(p);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		die("KCOV_ENABLE failed");
}

/* From where to where the program that ran went, piece by piece. */
static bool next_edge(unsigned long *at, uint32_t *edge)
{
	const unsigned long previous = *at ? cover[*at] >> 1 : 0;

	if (kcov < 0 || *at >= cover[0] || *at + 1 >= COVER_SIZE)
		return false;
	*edge = ((cover[++*at] ^ previous) * 0x9e3779b97f4a7c15ull) >> (64 - MAP_BITS);
	return true;
}

/* How many edges it reached that none did before: those in fresh. */
static unsigned int run_program(const struct program *p)
{
	unsigned long at = 0;
	uint32_t edge;

	execute(p);
	for (num_fresh = 0; next_edge(&at, &edge);) {
		if (seen[edge])
			continue;
		seen[edge] = 1;
		fresh[num_fresh++] = edge;
	}
	num_edges += num_fresh;
	return num_fresh;
}

/* All of fresh. */
static bool reaches(const struct program *p)
{
	static uint8_t here[1 << MAP_BITS];
	unsigned long at = 0;
	uint32_t edge;

	execute(p);
	memset(here, 0, sizeof(here));
	while (next_edge(&at, &edge))
		here[edge] = 1;
	for (unsigned int i = 0; i < num_fresh; i++) {
		if (!here[fresh[i]])
			return false;
	}
	return true;
}

/* Without what its fresh edges do not take: steps, then arguments. */
static void shorten(struct program *p)
{
	for (unsigned int i = p->num; i-- && p->num > 1;) {
		struct program q = *p;

		q.num--;
		memmove(&q.steps[i], &q.steps[i + 1], (q.num - i) * sizeof(q.steps[0]));
		if (reaches(&q))
			*p = q;
	}
	for (unsigned int i = 0; i < p->num; i++) {
		for (unsigned int a = 0; a < types[p->steps[i].type].num_fields; a++) {
			struct program q = *p;

			q.steps[i].args[a] = 0;
			if (p->steps[i].args[a] && reaches(&q))
				*p = q;
		}
	}
}

static void draw_step(struct step *s)
{
	s->type = below(num_types);
	s->target = draw();
	for (int i = 0; i < MAX_FIELDS; i++)
		s->args[i] = draw();
}

static void draw_program(struct program *p)
{
	p->num = 3 + below(MAX_STEPS - 3);
	for (unsigned int i = 0; i < p->num; i++)
		draw_step(&p->steps[i]);
}

static void insert_step(struct program *p)
{
	const unsigned int at = below(p->num + 1);

	if (p->num == MAX_STEPS)
		return;
	memmove(&p->steps[at + 1], &p->steps[at], (p->num - at) * sizeof(p->steps[0]));
	draw_step(&p->steps[at]);
	p->num++;
}

static void remove_step(struct program *p)
{
	const unsigned int at = below(p->num);

	if (p->num == 1)
		return;
	p->num--;
	memmove(&p->steps[at], &p->steps[at + 1], (p->num - at) * sizeof(p->steps[0]));
}

/* The end of another one. */
static void cross(struct program *p)
{
	const struct program *other = &corpus[below(num_corpus)];
	const unsigned int keep = 1 + below(p->num);

	for (p->num = keep; p->num < MAX_STEPS && p->num < other->num; p->num++)
		p->steps[p->num] = other->steps[p->num];
}

static void change(struct program *p)
{
	const unsigned int times = 1 + below(4);

	for (unsigned int i = 0; i < times; i++) {
		struct step *s = &p->steps[below(p->num)];

		switch (below(6)) {
		case 0:
		case 1:
			insert_step(p);
			break;
		case 2:
			remove_step(p);
			break;
		case 3:
			cross(p);
			break;
		case 4:
			s->target = draw();
			break;
		default:
			s->args[below(MAX_FIELDS)] = draw();
			break;
		}
	}
}

static void keep_program(const struct program *p)
{
	if (num_corpus < MAX_CORPUS)
		corpus[num_corpus++] = *p;
}

static int type_of(const char *name)
{
	for (unsigned int i = 0; i < num_types; i++) {
		if (!strcmp(types[i].name, name))
			return i;
	}
	return -1;
}

/* Steps whose calls are not there any more are left out. */
static void read_step(struct program *p, char *line)
{
	char *save, *word = strtok_r(line, " ", &save);
	const int type = type_of(word);
	struct step *s = &p->steps[p->num];

	if (type < 0 || p->num == MAX_STEPS)
		return;
	*s = (struct step){ .type = type };
	word = strtok_r(NULL, " ", &save);
	s->target = word ? strtoull(word, NULL, 16) : 0;
	for (int i = 0; i < MAX_FIELDS && (word = strtok_r(NULL, " ", &save)); i++)
		s->args[i] = strtoull(word, NULL, 16);
	p->num++;
}

static unsigned int read_corpus(const char *path)
{
	FILE *f = fopen(path, "r");
	struct program p = {};
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#')
			continue;
		if (line[0]) {
			read_step(&p, line);
			continue;
		}
		if (p.num)
			keep_program(&p);
		p.num = 0;
	}
	if (f)
		fclose(f);
	return num_corpus;
}

/* Keeps what reaches something new; without KCOV all. */
static void run_corpus(bool shorter)
{
	const unsigned int count = num_corpus;

	num_corpus = 0;
	for (unsigned int i = 0; i < count; i++) {
		struct program p = corpus[i];

		number = i + 1;
		if (!run_program(&p) && kcov >= 0)
			continue;
		if (shorter && kcov >= 0)
			shorten(&p);
		keep_program(&p);
	}
	number = 0;
}

/* What was found last reaches most, and may make what it was made of unnecessary. */
static void turn_corpus(void)
{
	for (unsigned int i = 0; i < num_corpus / 2; i++) {
		const struct program p = corpus[i];

		corpus[i] = corpus[num_corpus - 1 - i];
		corpus[num_corpus - 1 - i] = p;
	}
}

/* In a child, which takes them along. */
static void check_sources(void)
{
	const pid_t pid = fork();
	int status;

	if (!pid) {
		open_sources();
		for (unsigned int i = 0; i < num_sources; i++) {
			if (!num_values[sources[i].kind])
				die("there is no %s", sources[i].path);
		}
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("not all that there is to be called is there");
}

static void open_kcov(void)
{
	kcov = open("/sys/kernel/debug/kcov", O_RDWR);
	if (kcov < 0)
		return;
	if (ioctl(kcov, KCOV_INIT_TRACE, COVER_SIZE))
		die("KCOV_INIT_TRACE: %m");
	cover = mmap(NULL, COVER_SIZE * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, kcov, 0);
	if (cover == MAP_FAILED)
		die("KCOV: %m");
}

static FILE *out_file(const char *dir, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f)
		die("%s: %m", path);
	return f;
}

static unsigned long run_for(long seconds)
{
	const time_t end = time(NULL) + seconds;
	unsigned long count = 0;

	while (time(NULL) < end) {
		struct program p;

		if (num_corpus && below(8)) {
			p = corpus[below(num_corpus)];
			change(&p);
		} else {
			draw_program(&p);
		}
		if (run_program(&p))
			keep_program(&p);
		if (++count % 2000 == 0)
			printf("ioctl_fuzz: %lu programs, %lu edges, %u kept\n", count, num_edges, num_corpus);
	}
	return count;
}

int main(int argc, char **argv)
{
	unsigned long count;
	long seconds;
	FILE *f;

	if (argc != 6)
		die("ioctl_fuzz CALLS CORPUS SECONDS SEED OUT");
	seconds = atol(argv[3]);
	setlinebuf(stdout);
	read_calls(argv[1]);
	state = strtoull(argv[4], NULL, 0) * 2 + 1;
	last_file = fileno(out_file(argv[5], "last"));
	open_kcov();
	if (kcov < 0 && seconds)
		die("no /sys/kernel/debug/kcov");
	check_sources();
	count = read_corpus(argv[2]);
	if (kcov >= 0 && !seconds)
		turn_corpus();
	run_corpus(!seconds);
	printf("ioctl_fuzz: %lu programs of the corpus, %lu edges\n", count, num_edges);
	count += run_for(seconds);
	f = out_file(argv[5], "corpus");
	for (unsigned int i = 0; i < num_corpus; i++)
		print_program(f, &corpus[i]);
	fclose(f);
	printf("ioctl_fuzz: %lu programs, %lu edges, %u kept, done\n", count, num_edges, num_corpus);
	return 0;
}
