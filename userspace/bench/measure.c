// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * measure: runs one command and writes to the file named first
 *
 *	exit_status cpu_ns wall_ns peak_kib final_kib
 *
 * CPU time is user + system of the command and of the children it waited for.
 * Memory is the command's own, read from its /proc/PID/status at the moment it
 * exits (ptrace stops it there, and nowhere else), so it is not inflated by
 * this process's size as ru_maxrss would be. PRELOAD in the environment becomes
 * the command's LD_PRELOAD. Its output goes where this process's does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct measured {
	int status;
	long peak_kib, final_kib;
	uint64_t wall_ns;
};

static void die(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(125);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void read_memory(pid_t pid, struct measured *m)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "VmHWM:", 6))
			m->peak_kib = atol(line + 6);
		else if (!strncmp(line, "VmRSS:", 6))
			m->final_kib = atol(line + 6);
	}
	fclose(f);
}

static void run_child(char **argv)
{
	const char *preload = getenv("PRELOAD");

	if (preload && *preload)
		setenv("LD_PRELOAD", preload, 1);
	unsetenv("PRELOAD");
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		die("ptrace (is it forbidden in this container?)");
	raise(SIGSTOP);
	execvp(argv[0], argv);
	die(argv[0]);
}

/* Lets the child run; every stop but the one at exit is passed on. */
static void follow(pid_t pid, struct measured *m)
{
	int status, deliver = 0;
	uint64_t start;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
		die("cannot follow the command");
	start = now();
	for (;;) {
		ptrace(PTRACE_CONT, pid, NULL, deliver);
		if (waitpid(pid, &status, 0) != pid)
			die("waitpid");
		if (!WIFSTOPPED(status))
			break;
		deliver = 0;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
			read_memory(pid, m);
		else if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			deliver = WSTOPSIG(status);
	}
	m->wall_ns = now() - start;
	m->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	struct measured m = { 0 };
	struct rusage u;
	uint64_t cpu;
	FILE *out;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: measure result-file command [argument ...]\n");
		return 125;
	}
	out = fopen(argv[1], "we");
	if (!out)
		die(argv[1]);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		run_child(argv + 2);
	follow(pid, &m);
	getrusage(RUSAGE_CHILDREN, &u);
	cpu = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000ULL +
	      (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ULL;
	fprintf(out, "%d %llu %llu %ld %ld\n", m.status, (unsigned long long)cpu,
		(unsigned long long)m.wall_ns, m.peak_kib, m.final_kib);
	fclose(out);
	return m.status;
}
