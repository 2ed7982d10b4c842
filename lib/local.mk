noinst_LIBRARIES += lib/librrlib.a
lib_librrlib_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIB_INC)
lib_librrlib_a_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS) $(SECCOMP_CFLAGS) $(JANSSON_CFLAGS)
lib_librrlib_a_SOURCES = \
	lib/base64.c lib/base64.h \
	lib/buf.c lib/buf.h \
	lib/challenge.c lib/challenge.h \
	lib/cleanup.h \
	lib/clock.h \
	lib/control_api.c lib/control_api.def lib/control_api.h \
	lib/err.c lib/err.h \
	lib/errors.c lib/errors.def lib/errors.h \
	lib/exitcode.h \
	lib/fingerprint.c lib/fingerprint.h \
	lib/heritage.c lib/heritage.h \
	lib/http_chunk.c lib/http_chunk.h lib/http_chunk_states.def \
	lib/http_gate.c lib/http_gate.h lib/http_gate_states.def \
	lib/http_head.c lib/http_head.h \
	lib/http_octets.c lib/http_octets.h \
	lib/http_wire.c lib/http_wire.h \
	lib/json_setup.c lib/json_setup.h \
	lib/landlock.c lib/landlock.h \
	lib/list.h \
	lib/log.c lib/log.h lib/log_events.def \
	lib/log_journal.c lib/log_journal.h \
	lib/log_text.c lib/log_text.h \
	lib/loop.c lib/loop.h \
	lib/msg.c lib/msg.def lib/msg.h \
	lib/num.c lib/num.h \
	lib/pipe.c lib/pipe.h \
	lib/pulls.c lib/pulls.h \
	lib/sandbox.c lib/sandbox.h lib/sandbox_calls.def \
	lib/secret.c lib/secret.h \
	lib/sha256.c lib/sha256.h \
	lib/shm.c lib/shm.h \
	lib/stats.c lib/stats.def lib/stats.h \
	lib/stats_series.c lib/stats_series.h \
	lib/stats_totals.c lib/stats_totals.h \
	lib/strview.c lib/strview.h \
	lib/tls_context.c lib/tls_context.h lib/tls_impl.h \
	lib/tls_out.c lib/tls_out.h \
	lib/tls_transport.c lib/tls_transport.h \
	lib/tls_why.c \
	lib/tls_write.c \
	lib/tokens.c lib/tokens.h \
	lib/transport.c lib/transport.h \
	lib/urlform.c lib/urlform.h \
	lib/url.c lib/url.h
