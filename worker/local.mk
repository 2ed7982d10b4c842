noinst_LIBRARIES += worker/librrworker.a
worker_librrworker_a_CPPFLAGS = $(AM_CPPFLAGS) $(WORKER_INC)
worker_librrworker_a_CFLAGS = $(AM_CFLAGS)
worker_librrworker_a_SOURCES = \
	worker/path.c worker/path.h \
	worker/policy.c worker/policy.h \
	worker/route.c worker/route.h \
	worker/worker.h
