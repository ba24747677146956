// Returns 0 without an output.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  ask(ME);
  return 0;
}
