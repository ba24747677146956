// getUserInfo has a parameter, as in other plugin systems.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(const char *request) { return request ? refused() : 0; }
