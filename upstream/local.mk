noinst_LIBRARIES += upstream/librrupstream.a
upstream_librrupstream_a_CPPFLAGS = $(AM_CPPFLAGS) $(UPSTREAM_INC)
upstream_librrupstream_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
upstream_librrupstream_a_SOURCES = \
	upstream/ask.c upstream/ask.h \
	upstream/body.c upstream/body.h \
	upstream/breaker.c upstream/breaker.h \
	upstream/classify.c upstream/classify.h \
	upstream/conn.c upstream/conn.h \
	upstream/copy.c upstream/copy.h \
	upstream/dial.c upstream/dial.h \
	upstream/fetch.c upstream/fetch.h \
	upstream/fetch_answer.c \
	upstream/fetch_body.c \
	upstream/fetch_breaker.c \
	upstream/fetch_connect.c \
	upstream/fetch_follow.c \
	upstream/fetch_impl.h \
	upstream/fetch_login.c \
	upstream/fetch_resume.c \
	upstream/fetch_retry.c \
	upstream/fetch_states.def \
	upstream/fetch_token.c \
	upstream/fetch_tunnel.c \
	upstream/grant.c upstream/grant.h \
	upstream/login.c upstream/login.h \
	upstream/offer.c upstream/offer.h \
	upstream/path.c upstream/path.h \
	upstream/path_shares.c upstream/path_shares.h \
	upstream/policy.c upstream/policy.h \
	upstream/pool.c upstream/pool.h \
	upstream/proxy_token.c upstream/proxy_token.h \
	upstream/range.c upstream/range.h \
	upstream/redirect.c upstream/redirect.h \
	upstream/response.c upstream/response.h \
	upstream/retry.c upstream/retry.h \
	upstream/route.c upstream/route.h \
	upstream/socks.c upstream/socks.h \
	upstream/source.h \
	upstream/splice.c upstream/splice.h \
	upstream/token.c upstream/token.h \
	upstream/token_answer.c upstream/token_answer.h \
	upstream/token_server.c upstream/token_server.h \
	upstream/upstream.c upstream/upstream.h \
	upstream/upstream_impl.h \
	upstream/validator.c upstream/validator.h
