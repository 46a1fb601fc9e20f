/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The remote-free protocol of common/pa_shared.c: pools that change owner, become empty and go back to
 * their arena; slots that stop, are used again, or are abandoned; freers with a slot (who reclaim) and
 * without. At the end all blocks have been freed: every pool must be back in its arena.
 *
 *   -DMUTATION=n   one step left out or moved; each must be found
 *   -DABANDONED    slot 1 is gone without a word
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define NP	2
#define NONE	0

byte owner[NP];		/* 0: none */
bool queued[NP];
byte remote[NP];	/* blocks on the remote word */
byte out[NP];		/* blocks not on the owner's list, those on the remote word included */
byte room[NP];		/* blocks on the owner's list */
bool gone[NP];		/* back in the arena */
byte inbox[4];		/* sets of pools */
byte shared;
bool dead[4];
bool abandoned[4];
bool handed;		/* slot 1 waits for its next owner */
byte running;

inline check_unlisted(p)
{
	assert(!((inbox[1] | inbox[2] | inbox[3] | shared) & (1 << p)));
	assert(queued[p] && !gone[p])
}

inline push_shared(p)
{
	atomic { check_unlisted(p); shared = shared | (1 << p) }
}

inline push_inbox(p, s)
{
	atomic { check_unlisted(p); inbox[s] = inbox[s] | (1 << p) }
}

/* pa_remote_take() and the splice */
inline collect(p)
{
	atomic {
		assert(out[p] >= remote[p]);
		out[p] = out[p] - remote[p];
		room[p] = room[p] + remote[p];
		remote[p] = 0;
		queued[p] = false
	}
}

inline release(p)
{
	atomic {
		assert(!gone[p] && !queued[p] && !remote[p]);
		assert(!((inbox[1] | inbox[2] | inbox[3] | shared) & (1 << p)));
		gone[p] = true;
		owner[p] = NONE
	}
}

/* Does the owner see the pool as empty? */
#if MUTATION == 7
#define EMPTY(p)	(out[p] <= remote[p])
#else
#define EMPTY(p)	(out[p] == 0)
#endif

inline adopt(p, me)
{
#if MUTATION == 2
	collect(p);
	atomic { assert(owner[p] == NONE); owner[p] = me }
#else
	atomic { assert(owner[p] == NONE && !gone[p]); owner[p] = me };
	collect(p)
#endif
}

/* pa_pool_enqueue() of a set: what is found in a dead owner's inbox is added to it. */
inline post_all(todo, p, o)
{
	do
	:: todo ->
		p = (todo & 1 -> 0 : 1);
		todo = todo & ~(1 << p);
		o = owner[p];
		if
		:: o != NONE && abandoned[o] -> owner[p] = NONE; o = NONE
		:: else
		fi;
		if
		:: o == NONE -> push_shared(p)
		:: else ->
			push_inbox(p, o);
#if MUTATION != 1
			/* smp_mb() */
			if
			:: dead[o] -> atomic { todo = todo | inbox[o]; inbox[o] = 0 }
			:: else
			fi
#endif
		fi
	:: else -> break
	od
}

/* pa_slot_drain() */
inline drain(me, todo, pass, p, o)
{
	atomic { todo = inbox[me]; inbox[me] = 0 };
	pass = 0;
	do
	:: todo ->
		p = (todo & 1 -> 0 : 1);
		todo = todo & ~(1 << p);
		if
#if MUTATION == 5
		:: true ->
#else
		:: owner[p] == me ->
#endif
			collect(p);
			if
			:: EMPTY(p) -> release(p)
			:: else
			fi
#if MUTATION != 5
		:: else -> pass = 1 << p; post_all(pass, p, o)
#endif
		fi
	:: else -> break
	od
}

/* pa_pool_let_go() */
inline let_go(p, mine)
{
	if
	:: EMPTY(p) -> release(p)
	:: else ->
		mine = false;
#if MUTATION == 4
		owner[p] = NONE;
#endif
		atomic {
			if
			:: room[p] && !queued[p] -> queued[p] = true; mine = true
			:: else
			fi
		};
#if MUTATION != 4
		owner[p] = NONE;
#endif
		if
		:: mine -> push_shared(p)
		:: else
		fi
	fi
}

/* pa_slot_stop() */
inline stop(me, todo, pass, p, o, mine)
{
	drain(me, todo, pass, p, o);
	if
	:: owner[0] == me -> let_go(0, mine)
	:: else
	fi;
	if
	:: owner[1] == me -> let_go(1, mine)
	:: else
	fi;
#if MUTATION != 3
	dead[me] = true;
#endif
	/* smp_mb() */
#if MUTATION != 8
	atomic { todo = inbox[me]; inbox[me] = 0 };
	post_all(todo, p, o);
#endif
#if MUTATION == 3
	dead[me] = true;
#endif
	skip
}

/* One block of pool q is freed by who has entered slot me; 0: without a slot. */
inline free_block(me, q, todo, p, o, mine)
{
	if
	:: me != NONE && owner[q] == me ->
		atomic { out[q] = out[q] - 1; room[q] = room[q] + 1 };
		if
		:: EMPTY(q) -> release(q)
		:: else
		fi
	:: else ->
		atomic {
			mine = !queued[q];
			remote[q] = remote[q] + 1;
			queued[q] = true
		};
		if
		:: !mine
#if MUTATION == 6
		:: mine && me != NONE ->
#else
		:: mine && me != NONE && owner[q] == NONE ->
#endif
			adopt(q, me);
			if
			:: EMPTY(q) -> release(q)
			:: else
			fi
		:: else -> todo = 1 << q; post_all(todo, p, o)
		fi
	fi
}

/* pa_shared_sweep(): adopt and let go; or keep, as a refill does. */
inline sweep(me, todo, p, mine, keep)
{
	atomic { todo = shared; shared = 0 };
	do
	:: todo ->
		p = (todo & 1 -> 0 : 1);
		todo = todo & ~(1 << p);
		adopt(p, me);
		if
		:: keep && !EMPTY(p)
		:: else -> let_go(p, mine)
		fi
	:: else -> break
	od
}

/*
 * Owns both pools at first; ends. Its slot is stopped, or it is parked: pool 0 is let go, pool 1 is the
 * current one and stays.
 */
proctype first_owner()
{
	byte todo, pass, p, o;
	bool mine;

	if
	:: drain(1, todo, pass, p, o)
	:: skip
	fi;
	free_block(1, 1, todo, p, o, mine);
	if
	:: stop(1, todo, pass, p, o, mine);
		dead[1] = false
	:: skip;
#if MUTATION == 9
		handed = true;
#endif
		if
		:: owner[0] == 1 -> let_go(0, mine)
		:: else
		fi
	fi;
	handed = true;
	running--
}

/* The slot is used by another thread, which ends too. */
proctype next_owner()
{
	byte todo, pass, p, o;
	bool mine;

	handed;
	if
	:: drain(1, todo, pass, p, o)
	:: skip
	fi;
	stop(1, todo, pass, p, o, mine);
	running--
}

/* A thread with a slot: frees remotely and reclaims; refills from the shared lists; ends. */
proctype reclaimer()
{
	byte todo, pass, p, o;
	bool mine;

	free_block(2, 0, todo, p, o, mine);
	if
	:: sweep(2, todo, p, mine, true)
	:: sweep(2, todo, p, mine, false)
	:: skip
	fi;
	stop(2, todo, pass, p, o, mine);
	running--
}

/* Cannot enter a slot: an interrupt, or a thread that has none any more. */
proctype slotless(byte q)
{
	byte todo, p, o;
	bool mine;

	free_block(NONE, q, todo, p, o, mine);
	running--
}

init
{
	byte todo, p;
	bool mine;

	atomic {
		owner[0] = 1;		/* full */
		out[0] = 2;
		owner[1] = 1;		/* with room */
		out[1] = 2;
		room[1] = 1;
		dead[3] = true;
		running = 5;
#ifdef ABANDONED
		dead[1] = true;
		abandoned[1] = true;
		running = 4;
		run slotless(1);
#else
		run first_owner();
		run next_owner();
#endif
		run reclaimer();
		run slotless(0);
		run slotless(1)
	};
	running == 0;
	/* Everybody has ended: a last sweep must find all that is left. */
	assert(!inbox[1] && !inbox[2]);
	dead[3] = false;
	sweep(3, todo, p, mine, false);
	assert(gone[0] && gone[1] && !out[0] && !out[1])
}
