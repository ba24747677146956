// It forgets to give its answer.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  ask(ME);
  return 0;
}
