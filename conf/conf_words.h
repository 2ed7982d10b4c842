/* Values that are one of a few words.  Master; used by conf_value.c and conf_format.c only. */
#ifndef CONF_WORDS_H
#define CONF_WORDS_H

#include "conf_key.h"

/* 0; -EINVAL: reterr lists the words. */
MUST_CHECK int conf_word_parse(const struct conf_key *k, struct strview text, void *field, struct err *reterr);
/* The word of a value of such a kind; static text. */
const char *conf_word_of(const struct conf_key *k, const void *field);

#endif
