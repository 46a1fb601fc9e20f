// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * steps: counts the instructions that pabench executes between bench_start()
 * and bench_stop(), by single-stepping it there, and writes the number to the
 * file named first. Slow, but it runs what valgrind cannot: allocators that
 * reserve more address space than valgrind has.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "steps: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void run_child(char **argv)
{
	const char *preload = getenv("PRELOAD");

	if (preload && *preload)
		setenv("LD_PRELOAD", preload, 1);
	setenv("BENCH_STEPS", "1", 1);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		die("ptrace (is it forbidden in this container?)");
	execvp(argv[0], argv);
	die(argv[0]);
}

int main(int argc, char **argv)
{
	unsigned long steps = 0;
	bool stepping = false;
	int status;
	FILE *out;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: steps result-file command [argument ...]\n");
		return 125;
	}
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		run_child(argv + 2);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		stepping ^= sig == SIGUSR1;
		steps += stepping;
		if (sig == SIGTRAP || sig == SIGUSR1)
			sig = 0;
		if (ptrace(stepping ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, NULL, sig))
			die("cannot step the command");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return 1;
	out = fopen(argv[1], "w");
	if (!out || fprintf(out, "%lu\n", steps) < 0 || fclose(out))
		die(argv[1]);
	return 0;
}
