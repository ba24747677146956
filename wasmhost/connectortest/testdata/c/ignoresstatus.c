// Ignores the CRM's answer.
#include "connector.h"

OAUTH

EXPORT("getUserInfo") get_user_info(void) {
  ask(ME);
  return person("ignoresstatus", 7);
}
