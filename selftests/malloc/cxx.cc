// SPDX-License-Identifier: GPL-2.0-only OR MIT
// Every form of operator new and delete, std::bad_alloc and the new handler.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <thread>
#include <vector>

static int count, failed;

static void ok(bool pass, const char *name)
{
	failed += !pass;
	std::printf("%s %d %s\n", pass ? "ok" : "not ok", ++count, name);
}

static const std::size_t huge = SIZE_MAX / 2 - 100000;
static volatile std::size_t amount;

static bool good(void *p, std::size_t size, std::size_t align)
{
	if (!p || reinterpret_cast<std::uintptr_t>(p) % align)
		return false;
	std::memset(p, 0x5a, size);
	return true;
}

static bool plain_forms()
{
	bool pass = true;

	for (std::size_t n = 0; n < 70000; n = n * 5 / 4 + 1) {
		std::size_t align = n > 8 ? 16 : 8;
		void *p = operator new(n), *q = operator new[](n);
		void *r = operator new(n, std::nothrow), *s = operator new[](n, std::nothrow);

		pass &= good(p, n, align) && good(q, n, align) && good(r, n, align) && good(s, n, align);
		operator delete(p, n);
		operator delete[](q, n);
		operator delete(r, std::nothrow);
		operator delete[](s, std::nothrow);
		p = operator new(n);
		q = operator new[](n);
		pass &= p != q;
		operator delete(p);
		operator delete[](q);
	}
	return pass;
}

static bool aligned_forms()
{
	bool pass = true;

	for (std::size_t a = 1; a <= 2 << 20; a *= 2) {
		auto al = static_cast<std::align_val_t>(a);

		for (std::size_t n : { 0, 1, 24, 700, 40000, 300000 }) {
			void *p = operator new(n, al), *q = operator new[](n, al);
			void *r = operator new(n, al, std::nothrow), *s = operator new[](n, al, std::nothrow);

			pass &= good(p, n, a) && good(q, n, a) && good(r, n, a) && good(s, n, a);
			operator delete(p, al);
			operator delete[](q, al);
			operator delete(r, al, std::nothrow);
			operator delete[](s, al, std::nothrow);
			p = operator new(n, al);
			q = operator new[](n, al);
			operator delete(p, n, al);
			operator delete[](q, n, al);
		}
	}
	return pass;
}

template <typename F> static bool throws(F f)
{
	try {
		f();
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

static bool bad_alloc()
{
	auto al = static_cast<std::align_val_t>(64);

	amount = huge;
	return throws([] { operator delete(operator new(amount)); }) &&
	       throws([] { operator delete[](operator new[](amount)); }) &&
	       throws([=] { operator delete(operator new(amount, al), al); }) &&
	       throws([=] { operator delete[](operator new[](amount, al), al); }) &&
	       throws([] { std::vector<char> v(amount / 2); });
}

static bool nothrow_returns_null()
{
	auto al = static_cast<std::align_val_t>(64);

	amount = huge;
	return !operator new(amount, std::nothrow) && !operator new[](amount, std::nothrow) &&
	       !operator new(amount, al, std::nothrow) && !operator new[](amount, al, std::nothrow);
}

static int calls;
static bool can_catch = true;

struct own_exception { };

static void gives_up()
{
	if (++calls == 3)
		std::set_new_handler(nullptr);
}

static void throws_own()
{
	calls++;
	throw own_exception();
}

static void throws_bad_alloc()
{
	calls++;
	throw std::bad_alloc();
}

static bool new_handler()
{
	bool pass, caught = false;

	amount = huge;
	calls = 0;
	std::set_new_handler(gives_up);
	pass = throws([] { operator delete(operator new(amount)); }) && calls == 3;
	calls = 0;
	std::set_new_handler(gives_up);
	pass &= !operator new(amount, std::nothrow) && calls == 3;
	calls = 0;
	std::set_new_handler(throws_own);
	try {
		operator delete[](operator new[](amount));
	} catch (const own_exception &) {
		caught = true;
	}
	pass &= caught && calls == 1;
	if (!can_catch) {
		std::set_new_handler(nullptr);
		return pass;
	}
	// A handler's bad_alloc becomes a null pointer in the nothrow forms.
	calls = 0;
	std::set_new_handler(throws_bad_alloc);
	pass &= !operator new(amount, std::nothrow) && calls == 1;
	pass &= !operator new[](amount, std::nothrow) && calls == 2;
	pass &= !operator new(amount, static_cast<std::align_val_t>(64), std::nothrow) && calls == 3;
	std::set_new_handler(nullptr);
	return pass;
}

// Frees what the failing allocation needs.
static void *hoard;

static void frees_hoard()
{
	calls++;
	std::free(hoard);
	hoard = nullptr;
	std::set_new_handler(nullptr);
}

static bool handler_that_helps()
{
	std::size_t n = 64 << 20;
	void *p;

	calls = 0;
	hoard = std::malloc(n);
	if (!hoard)
		return false;
	std::set_new_handler(frees_hoard);
	p = operator new(n, std::nothrow);
	std::set_new_handler(nullptr);
	bool pass = p && calls == 1;
	operator delete(p);
	return pass;
}

static bool containers()
{
	std::vector<std::thread> threads;
	std::vector<std::map<std::string, std::vector<int>>> maps(4);

	for (auto &m : maps)
		threads.emplace_back([&m] {
			for (int i = 0; i < 20000; i++)
				m[std::to_string(i * 7919 % 5003)].push_back(i);
		});
	for (auto &t : threads)
		t.join();
	bool pass = maps[0] == maps[1] && maps[2] == maps[3] && maps[0].size() == 5003;
	maps.clear();
	return pass;
}

int main(int argc, char **argv)
{
	// Statically linked, nothrow new cannot catch what a handler throws.
	can_catch = argc < 2 || std::strcmp(argv[1], "static");
	if (argc > 1 && can_catch) {	// run with a limit of 100 MiB
		ok(handler_that_helps(), "a new handler that frees memory");
		return failed != 0;
	}
	ok(plain_forms(), "new and delete, arrays, nothrow, sized");
	ok(aligned_forms(), "aligned new and delete, arrays, nothrow, sized");
	ok(bad_alloc(), "new throws std::bad_alloc");
	ok(nothrow_returns_null(), "nothrow new returns a null pointer");
	ok(new_handler(), "the new handler is called until it gives up or throws");
	ok(containers(), "containers in threads");
	return failed != 0;
}
