// Exports an operation in snake case.
#include "connector.h"

OAUTH

EXPORT("get_user_info") get_user_info(void) { return refused(); }
