// The operation is exported in C's own fashion.
#include "connector.h"

OAUTH

EXPORT("get_user_info") get_user_info(void) { return refused(); }
