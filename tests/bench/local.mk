# What ./dev bench relay is made of beside Python: the limit, and clients that cost little.
noinst_PROGRAMS += tests/bench/splicer tests/bench/drain
tests_bench_splicer_SOURCES = tests/bench/splicer.c
tests_bench_splicer_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_drain_SOURCES = tests/bench/drain.c
tests_bench_drain_CPPFLAGS = $(AM_CPPFLAGS)
