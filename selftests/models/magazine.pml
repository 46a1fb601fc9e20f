/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * userspace/pa_magazine.c: two threads that share a magazine, one who gives back what is kept, and one
 * who walks over all blocks. Nobody gets a mapping that another one has, that is too small, or that is
 * unmapped, and none is lost; the walk reads no header of an unmapped block. Entries of the table are used again, with
 * another size.
 *
 *   -DMUTATION=1   a place is emptied by a plain store, not compare-and-swap
 *   -DMUTATION=2   a place is filled by a plain store
 *   -DMUTATION=3   the size is not looked at again after the swap
 *   -DMUTATION=4   what is to be unmapped is taken without the lock
 */
#ifndef MUTATION
#define MUTATION 0
#endif

#define ENTRIES	4
#define PLACES	1
#define NOTHING	ENTRIES

mtype = { LIVE, KEPT, UNUSED };

mtype stamp[ENTRIES];
bool mapped[ENTRIES];
byte bytes[ENTRIES];		/* 1 or 2 */
byte holders[ENTRIES];		/* who thinks that it is theirs */
byte place[PLACES];
bool locked;

#define lock()		atomic { !locked -> locked = true }
#define unlock()	locked = false

/* ok: place[k] was m and is nothing now. */
inline empty_place(k, m, ok)
{
#if MUTATION == 1
	ok = place[k] == m;
	if
	:: ok -> place[k] = NOTHING
	:: else
	fi
#else
	atomic {
		ok = place[k] == m;
		if
		:: ok -> place[k] = NOTHING
		:: else
		fi
	}
#endif
}

inline fill_place(k, m, ok)
{
#if MUTATION == 2
	ok = place[k] == NOTHING;
	if
	:: ok -> place[k] = m
	:: else
	fi
#else
	atomic {
		ok = place[k] == NOTHING;
		if
		:: ok -> place[k] = m
		:: else
		fi
	}
#endif
}

/* pa_large_drop() without the cache; the caller owns the entry. */
inline drop(m)
{
	lock();
	stamp[m] = KEPT;
	unlock();
	mapped[m] = false;
	lock();
	holders[m]--;
	stamp[m] = UNUSED;
	unlock()
}

proctype user(byte first)
{
	byte want = first, k, m, round;
	bool ok;

	do
	:: round == 2 -> break
	:: round < 2 ->
		/* pa_magazine_take() */
		ok = false;
		k = 0;
		do
		:: k == PLACES || ok -> break
		:: k < PLACES && !ok ->
			m = place[k];
			if
			:: m != NOTHING && bytes[m] >= want -> empty_place(k, m, ok)
			:: else
			fi;
			k++
		od;
		if
		:: ok ->
			holders[m]++;
			assert(holders[m] == 1);
#if MUTATION != 3
			if
			:: bytes[m] < want -> drop(m); ok = false
			:: else
			fi
#endif
		:: else
		fi;
		/* A new mapping, with an entry that nobody uses. */
		if
		:: ok
		:: else ->
			lock();
			m = 0;
			do
			:: stamp[m] == UNUSED -> break
			:: else -> m++; assert(m < ENTRIES)
			od;
			holders[m]++;
			bytes[m] = want;
			mapped[m] = true;
			stamp[m] = LIVE;
			unlock()
		fi;
		stamp[m] = LIVE;
		assert(holders[m] == 1 && mapped[m] && bytes[m] >= want);
		/* pa_large_free() */
		stamp[m] = KEPT;
		ok = false;
		k = 0;
		do
		:: k == PLACES || ok -> break
		:: k < PLACES && !ok ->
			if
			:: place[k] == NOTHING ->
				holders[m]--;
				fill_place(k, m, ok);
				if
				:: ok
				:: else -> holders[m]++
				fi
			:: else
			fi;
			k++
		od;
		if
		:: ok
		:: else -> drop(m)
		fi;
		want = 3 - want;
		round++
	od
}

/* pa_large_purge(): takes under the lock, unmaps without it. */
proctype purger()
{
	byte k, m;
	bool ok;

	do
	:: k == PLACES -> break
	:: k < PLACES ->
#if MUTATION != 4
		lock();
#endif
		m = place[k];
		ok = false;
		if
		:: m != NOTHING -> empty_place(k, m, ok)
		:: else
		fi;
		if
		:: ok ->
			holders[m]++;
			assert(holders[m] == 1)
		:: else
		fi;
#if MUTATION != 4
		unlock();
#endif
		if
		:: ok ->
			mapped[m] = false;
			lock();
			holders[m]--;
			stamp[m] = UNUSED;
			unlock()
		:: else
		fi;
		k++
	od
}

/* pa_large_snapshot() */
proctype walker()
{
	byte m;

	lock();
	do
	:: m == ENTRIES -> break
	:: m < ENTRIES ->
		if
		:: stamp[m] == LIVE -> assert(mapped[m])
		:: else
		fi;
		m++
	od;
	unlock()
}

init
{
	byte m;

	atomic {
		stamp[0] = UNUSED;
		stamp[1] = UNUSED;
		stamp[2] = UNUSED;
		stamp[3] = UNUSED;
		place[0] = NOTHING;
		run user(1);
		run user(2);
		run purger();
		run walker()
	}
	_nr_pr == 1;
	/* None is lost. */
	do
	:: m == ENTRIES -> break
	:: m < ENTRIES ->
		assert(stamp[m] == UNUSED || place[0] == m);
		m++
	od
}
