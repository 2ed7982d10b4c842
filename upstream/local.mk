noinst_LIBRARIES += upstream/librrupstream.a
upstream_librrupstream_a_CPPFLAGS = $(AM_CPPFLAGS) $(UPSTREAM_INC)
upstream_librrupstream_a_CFLAGS = $(AM_CFLAGS)
upstream_librrupstream_a_SOURCES = \
	upstream/ask.c upstream/ask.h \
	upstream/classify.c upstream/classify.h \
	upstream/retry.c upstream/retry.h \
	upstream/fetch.h \
	upstream/source.h \
	upstream/upstream.h
