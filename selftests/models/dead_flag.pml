/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The two barriers of rule R3: push on the inbox, smp_mb(), read @dead -- set @dead, smp_mb(), take the
 * inbox. Stores wait in a buffer until the machine, or a barrier, makes them visible. One of the two
 * must see the other, or the pool is lost.
 *
 *   -DMUTATION=1   no barrier in pa_pool_post();  2   none in pa_slot_stop()
 */
#ifndef MUTATION
#define MUTATION 0
#endif

bool inbox, dead;			/* memory */
bool buffered_push, buffered_dead;	/* store buffers */
bool freer_saw, stopper_saw;
byte done;

proctype machine()
{
end:	do
	:: atomic { buffered_push -> inbox = true; buffered_push = false }
	:: atomic { buffered_dead -> dead = true; buffered_dead = false }
	od
}

proctype freer()
{
	buffered_push = true;
#if MUTATION != 1
	!buffered_push;		/* smp_mb(): waits until it is visible */
#endif
	freer_saw = dead;
	done++
}

proctype stopper()
{
	buffered_dead = true;
#if MUTATION != 2
	!buffered_dead;
#endif
	stopper_saw = inbox;
	done++
}

init
{
	atomic { run machine(); run freer(); run stopper() };
	done == 2;
	assert(freer_saw || stopper_saw)
}
