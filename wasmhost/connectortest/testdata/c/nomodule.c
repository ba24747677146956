// Declares an import without its module, so that it is imported from env.
#include "connector.h"

OAUTH

len fetch(const void *request, len n);

EXPORT("getUserInfo") get_user_info(void) { return fetch("{}", 2) ? refused() : trouble(0); }
